"""Makes pieces in a thread of its own, a few ahead of whoever takes them: one decompresses, the other writes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

_AHEAD = 3


class ReadAhead:
    """The pieces that `source` returns, in their order, up to the first empty one.

    What `source` raises is raised in its turn, and again by every later `take`. The thread begins with the first one.
    """

    def __init__(self, source: Callable[[], bytes]) -> None:
        self._source = source
        self._pieces: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._closed = False
        self._last: bytes | BaseException | None = None
        self._thread: threading.Thread | None = None

    def take(self) -> bytes:
        """Return the next piece, an empty one at the end and from then on."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._make, name="reading ahead", daemon=True)
            self._thread.start()
        if self._last is None:
            piece = self._pieces.get()
            self._room.release()
            if isinstance(piece, bytes) and piece:
                return piece
            self._last = piece
        if isinstance(self._last, BaseException):
            raise self._last
        return self._last

    def close(self) -> None:
        """Give up what was not taken, and wait for the thread's end: nobody reads the source after this."""
        self._closed = True
        self._room.release()
        if self._thread is not None:
            self._thread.join()

    def _make(self) -> None:
        piece: bytes | BaseException | None = None
        while piece is None or (isinstance(piece, bytes) and piece):
            self._room.acquire()
            if self._closed:
                return
            try:
                piece = self._source()
            except BaseException as error:  # noqa: BLE001 - it belongs to the one who takes
                piece = error
            self._pieces.put(piece)
