"""Retries of storage calls: the policy, and a storage that follows it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from repository.checkpoint import Checkpoint, go_on
from repository.key_grammar import key_checked
from repository.storage import ObjectExists, ObjectInfo, ObjectNotFound, ObjectWriter, Storage, StorageError

log = logging.getLogger(__name__)

TRIES: Final = 6
PAUSE_SECONDS: Final = 0.2
PAUSE_SECONDS_MAX: Final = 8.0
CHECKPOINT_SECONDS: Final = 0.5
CHECKPOINT_ENTRIES: Final = 1000
HELD_SIZE_MAX: Final = 8 << 20
"""A larger object is streamed to the target."""
HELD_ENTRIES_MAX: Final = 100_000
"""Number of entries that a list holds, about 30 MB."""

Buffer = bytes | bytearray | memoryview
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A retry policy: up to `tries` attempts for each request whose error is retryable.

    The pauses start at 200 ms and double, with a jitter of half their length, so that clients that failed together do
    not retry together. The target can ask for a longer pause of up to 8 s. checkpoint: raises to cancel; it is called
    before each attempt and twice a second in a pause, from any thread. sleep: waits for so many seconds of a pause.
    jitter: returns numbers from 0 to 1.

    Nested policies never multiply: after the last attempt the error is marked as `given_up`, and no policy retries it.
    """

    tries: int = TRIES
    checkpoint: Checkpoint = go_on
    sleep: Callable[[float], None] = time.sleep  # tests give one that does not wait
    jitter: Callable[[], float] = random.random

    def call(self, action: str, call: Callable[[], Result]) -> Result:
        """The result of the first attempt that succeeds. Raises the error of the last attempt."""
        failures = 0
        while True:
            self.checkpoint()
            try:
                return call()
            except StorageError as error:
                failures += 1
                if not self.paused(action, error, failures):
                    raise

    def paused(self, action: str, error: StorageError, failures: int) -> bool:
        """Wait before the next attempt and return True; return False after the last one. May raise as `checkpoint`."""
        if not error.retryable or error.given_up or failures >= self.tries:
            error.given_up |= error.retryable and self.tries > 1
            return False
        pause = PAUSE_SECONDS * 2 ** (failures - 1) * (0.5 + self.jitter())
        left = min(max(pause, error.after_seconds), PAUSE_SECONDS_MAX)
        log.info("storage: %s is tried again in %.1f s, %d of %d: %s", action, left, failures, self.tries - 1, error)
        while left > 0:
            step = min(left, CHECKPOINT_SECONDS)
            self.sleep(step)
            left -= step
            self.checkpoint()
        return True


ONCE: Final = Retry(tries=1)
"""A single attempt; the caller may retry its error."""


class RetryingStorage:
    """A wrapper of a storage that retries its calls.

    A call of many requests (the pages of a list, the parts of an upload) is retried by the inner storage, which has the
    same policy. Any number of threads may use it, if they may use the inner storage.
    """

    def __init__(self, inner: Storage, retry: Retry | None = None) -> None:
        self._inner = inner
        self._retry = retry or Retry()

    @contextmanager
    def writer(self, key: str, *, expected_size: int) -> Iterator[ObjectWriter]:
        """Open a new object of about `expected_size` bytes.

        An object of up to 8 MiB is held, and stored by the commit with retries. A larger object is streamed: after its
        opening, only the inner writer retries requests.
        """
        with ExitStack() as opened:

            def begin() -> ObjectWriter:
                return self._retry.call(
                    "write", lambda: opened.enter_context(self._inner.writer(key, expected_size=expected_size))
                )

            yield begin() if expected_size > HELD_SIZE_MAX else _HeldWriter(self, key_checked(key), begin)

    def put(self, key: str, data: Sequence[bytes | memoryview]) -> None:
        """Store an object of these buffers without copying them; they must not change until this returns.

        Raises `ObjectExists` when the key is taken. An object with the same content is no error after the first try:
        an earlier try has stored it, and its reply was lost.
        """
        views = [memoryview(buffer).cast("B") for buffer in data]
        tries = 0

        def store() -> None:
            nonlocal tries
            tries += 1
            self._store(key, views)

        try:
            self._retry.call("put", store)
        except ObjectExists:
            if tries == 1 or not self._holds(key, views):
                raise

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of a small object from `start` up to `stop` (or the end); raises `ObjectNotFound`."""
        pieces = list(self.read(key, start=start, stop=stop))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (or the end) in pieces of at most 4 MiB; raises `ObjectNotFound`.

        After an error the read resumes at the next byte. Each piece received restores the full number of tries.
        """
        position, failures = start, 0
        while True:
            self._retry.checkpoint()
            try:
                for piece in self._inner.read(key, start=position, stop=stop):
                    position, failures = position + len(piece), 0
                    yield piece
            except StorageError as error:
                failures += 1
                if not self._retry.paused("read", error, failures):
                    raise
            else:
                return

    def size(self, key: str) -> int:
        """The object's size in bytes; raises `ObjectNotFound`."""
        return self._retry.call("size", lambda: self._inner.size(key))

    def delete(self, key: str) -> None:
        """Remove the object; a missing object is no error."""
        self._retry.call("delete", lambda: self._inner.delete(key))

    def discard(self, key: str) -> None:
        """Remove the object by one try and without a checkpoint, also after a cancel; a missing object is no error."""
        self._inner.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`; raises rather than ending early.

        A storage promises no order, so an interrupted list can only be restarted: up to 100,000 entries are held before
        the first one is yielded. After these, only a storage that lists in pages retries.
        """
        held, others = self._retry.call("list", lambda: self._listed(prefix))
        yield from held
        yield from others

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        """Remove partial objects of dead writers that are older; return the number of the last try."""
        return self._retry.call("sweep", lambda: self._inner.partials_sweep(older_than_seconds=older_than_seconds))

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

    def _listed(self, prefix: str) -> tuple[Sequence[ObjectInfo], Iterator[ObjectInfo]]:
        """The first entries, and the iterator that gives the others."""
        entries = self._inner.list(prefix)
        held = []
        for entry in islice(entries, HELD_ENTRIES_MAX):
            held.append(entry)
            if len(held) % CHECKPOINT_ENTRIES == 0:
                self._retry.checkpoint()
        return held, entries


class _HeldWriter:
    """Holds the bytes of an object until the commit; streams them to an inner writer once they exceed 8 MiB."""

    def __init__(self, storage: RetryingStorage, key: str, begin: Callable[[], ObjectWriter]) -> None:
        self._storage = storage
        self._key = key
        self._begin = begin
        self._held = bytearray()
        self._inner: ObjectWriter | None = None
        self._committed = False

    def write(self, data: Buffer) -> None:
        """Take the next bytes."""
        self._open_check()
        view = memoryview(data).cast("B")
        if self._inner is None and len(self._held) + len(view) > HELD_SIZE_MAX:
            self._inner = self._begin()
            held, self._held = self._held, bytearray()
            self._inner.write(held)
        if self._inner is not None:
            self._inner.write(view)
        else:
            self._held += view

    def commit(self) -> None:
        """Store the object, or raise `ObjectExists`."""
        self._open_check()
        if self._inner is not None:
            self._inner.commit()
        else:
            self._storage.put(self._key, [memoryview(self._held)])
        self._committed = True

    def _open_check(self) -> None:
        if self._committed:
            raise ValueError("the object is committed")
