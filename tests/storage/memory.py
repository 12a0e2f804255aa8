"""Storages for tests: objects in memory, and a wrapper with scripted failures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from repository.key_grammar import key_checked, prefix_checked
from repository.storage import (
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    ObjectWriter,
    Storage,
    StorageUnavailable,
)
from tests.faults import Fault as ScriptedFault
from tests.faults import fault_script

PIECE_SIZE = 1 << 20
Result = TypeVar("Result")
Fault = Literal["once", "forever", "reply_lost"]


class MemoryStorage:
    """Objects in a dictionary; a test may inspect `objects` and change stored bytes behind the product's back."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @contextmanager
    def writer(self, key: str, *, expected_size: int) -> Iterator[_MemoryWriter]:
        yield _MemoryWriter(self, key_checked(key))

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        if start < 0:
            raise ValueError("a start is not negative")
        data = self._get(key)
        end = len(data) if stop is None else min(stop, len(data))
        for offset in range(start, end, PIECE_SIZE):
            yield data[offset : min(offset + PIECE_SIZE, end)]

    def size(self, key: str) -> int:
        return len(self._get(key))

    def delete(self, key: str) -> None:
        self.objects.pop(key_checked(key), None)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        prefix = prefix_checked(prefix)
        for key, data in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield ObjectInfo(key=key, size=len(data))

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        return 0  # a half-written object lives in its writer, and dies with it

    def _get(self, key: str) -> bytes:
        try:
            return self.objects[key_checked(key)]
        except KeyError:
            raise ObjectNotFound("no such object") from None

    def _put(self, key: str, data: bytes) -> None:
        with self._lock:
            if key in self.objects:
                raise ObjectExists("the key is taken")
            self.objects[key] = data


class _MemoryWriter:
    def __init__(self, storage: MemoryStorage, key: str) -> None:
        self._storage = storage
        self._key = key
        self._data = bytearray()
        self._committed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._committed:
            raise ValueError("the object is committed")
        self._data += data

    def commit(self) -> None:
        if self._committed:
            raise ValueError("the object is committed")
        self._storage._put(self._key, bytes(self._data))
        self._committed = True


class FaultyStorage:
    """Passes calls on to another storage and fails the one numbered `at` (from 1; 0: none), or it and all after it.

    `reply_lost` carries the call out, then fails it. `calls` names every call so far: `writer`, `write`, `commit`,
    `read`, `piece` (each one that a read yields, and its end), `size`, `delete`, `list`, `entry` (likewise), `sweep`.
    must_strike: the test fails if that call never came.
    """

    def __init__(
        self,
        inner: Storage,
        *,
        at: int,
        fault: Fault = "once",
        error: type[BaseException] = StorageUnavailable,
        must_strike: bool = True,
    ) -> None:
        scripted = fault_script if must_strike else ScriptedFault
        self._scripted = scripted(f"{fault} at call {at} of a storage") if at else None
        self.calls: list[str] = []
        self._inner = inner
        self._at = at
        self._fault = fault
        self._error = error
        self._lock = threading.Lock()

    @contextmanager
    def writer(self, key: str, *, expected_size: int) -> Iterator[_FaultyWriter]:
        opened = self.call("writer", lambda: self._inner.writer(key, expected_size=expected_size))
        with opened as writer:
            yield _FaultyWriter(self, writer)

    def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        pieces = self.call("read", lambda: self._inner.read(key, start=start, stop=stop))
        while (piece := self.call("piece", lambda: next(pieces, None))) is not None:
            yield piece

    def size(self, key: str) -> int:
        return self.call("size", lambda: self._inner.size(key))

    def delete(self, key: str) -> None:
        self.call("delete", lambda: self._inner.delete(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        entries = self.call("list", lambda: self._inner.list(prefix))
        while (entry := self.call("entry", lambda: next(entries, None))) is not None:
            yield entry

    def partials_sweep(self, *, older_than_seconds: float) -> int:
        return self.call("sweep", lambda: self._inner.partials_sweep(older_than_seconds=older_than_seconds))

    def call(self, name: str, action: Callable[[], Result]) -> Result:
        """Count a call, then carry it out or fail it as scripted."""
        with self._lock:
            self.calls.append(name)
            number = len(self.calls)
        hit = number == self._at or (self._fault == "forever" and 0 < self._at <= number)
        if hit and self._scripted is not None:
            self._scripted.strike()
        if hit and self._fault != "reply_lost":
            raise self._error(f"scripted: call {number}, {name}")
        result = action()
        if hit:
            raise self._error(f"scripted: reply to call {number}, {name}, lost")
        return result


class _FaultyWriter:
    def __init__(self, storage: FaultyStorage, inner: ObjectWriter) -> None:
        self._storage = storage
        self._inner = inner

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._storage.call("write", lambda: self._inner.write(data))

    def commit(self) -> None:
        self._storage.call("commit", self._inner.commit)
