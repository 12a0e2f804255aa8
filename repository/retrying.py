"""A storage whose calls are tried again while the target is unwell."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from repository.checkpoint import Checkpoint, go_on
from repository.object_keys import key_checked
from repository.storage import ObjectExists, ObjectInfo, ObjectNotFound, ObjectWriter, Storage, StorageError

log = logging.getLogger(__name__)

RETRIES: Final = 5
PAUSE_SECONDS: Final = 0.2
CHECKPOINT_SECONDS: Final = 0.5
CHECKPOINT_ENTRIES: Final = 1000
OBJECT_SIZE_MAX: Final = 64 << 20
"""What a writer holds; no object of a repository is larger."""

Buffer = bytes | bytearray | memoryview
Result = TypeVar("Result")


class RetryingStorage:
    """Another storage, each of whose calls is tried up to five times more when it fails with a retryable error.

    The pauses begin at 200 ms and double, each half shorter to half longer, so that many who failed together do not
    come back together. `checkpoint` raises to cancel: it is asked before each try, and twice a second in a pause.
    `jitter` gives numbers from 0 to 1. Any number of threads may use it, if they may use the inner storage.
    """

    def __init__(
        self,
        inner: Storage,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._inner = inner
        self._sleep = sleep
        self._jitter = jitter
        self._checkpoint = checkpoint or go_on

    @contextmanager
    def writer(self, key: str, *, expected_size: int) -> Iterator[ObjectWriter]:  # noqa: ARG002  # it is counted instead
        """Open a new object. Its bytes are held, up to 64 MiB (ValueError), and sent at the commit."""
        yield _HeldWriter(self, key_checked(key))

    def put(self, key: str, data: Sequence[bytes | memoryview]) -> None:
        """Store an object of these buffers without copying them; nobody may change them until this returns.

        Raises `ObjectExists` when the key is taken by anything but this very content, stored by a try whose reply
        was lost.
        """
        views = [memoryview(buffer).cast("B") for buffer in data]
        tries = 0

        def store() -> None:
            nonlocal tries
            tries += 1
            self._store(key, views)

        try:
            self._retried("put", store)
        except ObjectExists:
            if tries == 1 or not self._holds(key, views):
                raise

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of a small object from `start` up to `stop` (or the end); raises `ObjectNotFound`."""
        pieces = list(self.read(key, start=start, stop=stop))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (or the end) in pieces of at most 4 MiB; raises `ObjectNotFound`.

        After an error it goes on with the byte it had got to. Every piece that came brings all five tries back.
        """
        position, failures = start, 0
        while True:
            self._checkpoint()
            try:
                for piece in self._inner.read(key, start=position, stop=stop):
                    position, failures = position + len(piece), 0
                    yield piece
            except StorageError as error:
                failures += 1
                if not self._pause("read", error, failures):
                    raise
            else:
                return

    def size(self, key: str) -> int:
        """The object's size in bytes; raises `ObjectNotFound`."""
        return self._retried("size", lambda: self._inner.size(key))

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        self._retried("delete", lambda: self._inner.delete(key))

    def discard(self, key: str) -> None:
        """Remove the object by one try, also for whoever is cancelled; one that is not there is no error."""
        self._inner.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`; raises rather than ending early.

        The whole list is there before its first entry is given: a storage promises no order, so a list that broke
        off cannot be gone on with, only begun anew. It takes about 300 bytes of memory an entry.
        """
        yield from self._retried("list", lambda: self._listed(prefix))

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        """Remove what writers that died left half-written, if it is older; return how many the last try found."""
        return self._retried("sweep", lambda: self._inner.partials_sweep(older_than_seconds=older_than_seconds))

    def _store(self, key: str, views: Sequence[memoryview]) -> None:
        with self._inner.writer(key, expected_size=sum(map(len, views))) as writer:
            for view in views:
                writer.write(view)
            writer.commit()

    def _holds(self, key: str, views: Sequence[memoryview]) -> bool:
        """Whether exactly these bytes are stored under the key."""
        try:
            if self.size(key) != sum(map(len, views)):
                return False
            position, whole = 0, b"".join(views)
            for piece in self.read(key):
                if whole[position : position + len(piece)] != piece:
                    return False
                position += len(piece)
        except ObjectNotFound:
            return False
        return position == len(whole)

    def _listed(self, prefix: str) -> Sequence[ObjectInfo]:
        found = []
        for entry in self._inner.list(prefix):
            found.append(entry)
            if len(found) % CHECKPOINT_ENTRIES == 0:
                self._checkpoint()
        return found

    def _retried(self, action: str, call: Callable[[], Result]) -> Result:
        failures = 0
        while True:
            self._checkpoint()
            try:
                return call()
            except StorageError as error:
                failures += 1
                if not self._pause(action, error, failures):
                    raise

    def _pause(self, action: str, error: StorageError, failures: int) -> bool:
        """Wait before the next try; False when there is none. Raises what the checkpoint raises."""
        if not error.retryable or failures > RETRIES:
            return False
        left = PAUSE_SECONDS * 2 ** (failures - 1) * (0.5 + self._jitter())
        log.info("storage: %s is tried again in %.1f s, %d of %d: %s", action, left, failures, RETRIES, error)
        while left > 0:
            step = min(left, CHECKPOINT_SECONDS)
            self._sleep(step)
            left -= step
            self._checkpoint()
        return True


class _HeldWriter:
    """An object's bytes until they are sent, by as many inner writers as it takes."""

    def __init__(self, storage: RetryingStorage, key: str) -> None:
        self._storage = storage
        self._key = key
        self._held = bytearray()
        self._committed = False

    def write(self, data: Buffer) -> None:
        """Take the next bytes; raises ValueError past 64 MiB in all."""
        self._open_check()
        view = memoryview(data).cast("B")
        if len(self._held) + len(view) > OBJECT_SIZE_MAX:
            raise ValueError(f"an object of more than {OBJECT_SIZE_MAX} bytes is not held to be sent again")
        self._held += view

    def commit(self) -> None:
        """Store the object, or raise `ObjectExists`."""
        self._open_check()
        self._storage.put(self._key, [memoryview(self._held)])
        self._committed = True

    def _open_check(self) -> None:
        if self._committed:
            raise ValueError("the object is committed")
