"""A file that is read while it is being written."""

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from sidecar.errors import Refused, SidecarError
from sidecar.scratch.scratch import write_all
from wire.contract import DATA_BYTES

# Readers wait this long for the bytes of a full message: many small messages cost more than they save.
_GATHER_SECONDS: Final = 0.05


class GrowingFile:
    """A file that one thread appends to inside a `with`, and that other threads follow.

    Readers wait for more bytes, for the end, or for the writer's error.
    """

    def __init__(self, descriptor: int) -> None:
        """Take an open, empty file, which must stay open for the length of the `with`."""
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._size = 0
        self._ended = False
        self._failure: SidecarError | None = None

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Append all of the bytes. Raises `ScratchFull`."""
        write_all(self._descriptor, data)
        with self._changed:
            self._size += len(data)
            self._changed.notify_all()

    def wake(self) -> None:
        """Wake the waiting readers, so that they check whether they are to stop."""
        with self._changed:
            self._changed.notify_all()

    def open(self) -> int | None:
        """A descriptor for reading, which the caller closes; None when the writer has ended."""
        with self._changed:
            self._raise_failure()
            return None if self._ended else os.dup(self._descriptor)

    def available(self, *, offset: int, stopped: Callable[[], bool]) -> int:
        """Wait for bytes at `offset` and return how many there are; 0 at the end, or when `stopped` after `wake`.

        Raises the writer's error.
        """
        with self._changed:
            self._wait(offset + 1, stopped, None)
            self._wait(offset + DATA_BYTES, stopped, _GATHER_SECONDS)
            self._raise_failure()
            if self._ended and offset > self._size:
                raise Refused("The offset lies beyond the end of the file.")
            return max(self._size - offset, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._ended = True
            if isinstance(error, SidecarError):
                self._failure = error
            elif error is not None:
                self._failure = SidecarError("The sidecar failed unexpectedly.")
            self._changed.notify_all()

    def _wait(self, size: int, stopped: Callable[[], bool], timeout: float | None) -> None:
        self._changed.wait_for(lambda: self._size >= size or self._ended or stopped(), timeout)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            # Each reader gets an exception of its own: a shared one would mix the tracebacks of several threads.
            raise type(self._failure)(self._failure.detail)
