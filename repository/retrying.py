"""How calls to a storage are tried again while the target is unwell: one policy, and a storage that follows it."""

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
from repository.object_keys import key_checked
from repository.storage import ObjectExists, ObjectInfo, ObjectNotFound, ObjectWriter, Storage, StorageError

log = logging.getLogger(__name__)

TRIES: Final = 6
PAUSE_SECONDS: Final = 0.2
PAUSE_SECONDS_MAX: Final = 8.0
CHECKPOINT_SECONDS: Final = 0.5
CHECKPOINT_ENTRIES: Final = 1000
HELD_SIZE_MAX: Final = 8 << 20
"""A larger object goes to the target while it is written."""
HELD_ENTRIES_MAX: Final = 100_000
"""So many entries of a list are held, about 30 MB."""

Buffer = bytes | bytearray | memoryview
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a request to a storage is made, and how long the pauses between are.

    The pauses begin at 200 ms and double, each half shorter to half longer, so that many who failed together do not
    come back together; a target that asks for more gets up to 8 s. `checkpoint` raises to cancel: it is asked before
    each try, and twice a second in a pause, from any thread. `jitter` gives numbers from 0 to 1.

    Nested calls never multiply: an error that has had all its tries is `given_up`, and passes every other policy.
    """

    tries: int = TRIES
    checkpoint: Checkpoint = go_on
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def call(self, action: str, call: Callable[[], Result]) -> Result:
        """The result of the first try that succeeds; raises the last one's error."""
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
        """Wait before the next try; False when there is none. Raises what the checkpoint raises."""
        if not error.retryable or error.given_up or failures >= self.tries:
            error.given_up = error.retryable and self.tries > 1
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
"""Nothing is tried again here; whoever calls may."""


class RetryingStorage:
    """Another storage, each of whose calls is tried again when it fails with a retryable error.

    Where one call is many requests (the pages of a list, the parts of an upload), the other storage follows the same
    policy for each of them. Any number of threads may use it, if they may use the inner storage.
    """

    def __init__(self, inner: Storage, retry: Retry | None = None) -> None:
        self._inner = inner
        self._retry = retry or Retry()

    @contextmanager
    def writer(self, key: str, *, expected_size: int) -> Iterator[ObjectWriter]:
        """Open a new object of about `expected_size` bytes.

        One of up to 8 MiB is held, and at the commit stored by as many tries as it takes. A larger one is written as it
        comes: of that only what the inner writer itself can repeat is tried again.
        """
        with ExitStack() as opened:

            def begin() -> ObjectWriter:
                return self._retry.call(
                    "write", lambda: opened.enter_context(self._inner.writer(key, expected_size=expected_size))
                )

            yield begin() if expected_size > HELD_SIZE_MAX else _HeldWriter(self, key_checked(key), begin)

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

        After an error it goes on with the byte it had got to. Every piece that came brings all tries back.
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
        """Remove the object; one that is not there is no error."""
        self._retry.call("delete", lambda: self._inner.delete(key))

    def discard(self, key: str) -> None:
        """Remove the object by one try, also for whoever is cancelled; one that is not there is no error."""
        self._inner.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`; raises rather than ending early.

        A storage promises no order, so a list that broke off cannot be gone on with, only begun anew: up to 100,000
        entries are there before the first is given. What comes after them is tried again by a storage that lists in
        pages, and by no other.
        """
        held, others = self._retry.call("list", lambda: self._listed(prefix))
        yield from held
        yield from others

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        """Remove what writers that died left half-written, if it is older; return how many the last try found."""
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
    """An object's bytes until they are sent, by as many inner writers as it takes; by one once they are too many."""

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
