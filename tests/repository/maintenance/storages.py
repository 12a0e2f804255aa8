"""Storages that lie, run full, or run code between calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from repository.chunked.objects import ObjectFolder, prefix_of
from repository.storage import ObjectInfo, Storage, StorageFull
from tests.faults import fault_script
from tests.repository.maintenance.world import REPOSITORY, TENANT
from tests.storage.memory import FaultyStorage, MemoryStorage, Result


class ScheduledStorage(FaultyStorage):
    """Runs `before[n]` to its end before call n (from 1), while other calls wait, and removes it from `before`.

    must_strike: the test fails when a scheduled call never comes; otherwise the caller checks `before`.
    """

    def __init__(self, inner: Storage, before: dict[int, Callable[[], None]], *, must_strike: bool = True) -> None:
        super().__init__(inner, at=0)
        self._before = before
        self._faults = {at: fault_script(f"what comes before call {at}") for at in before} if must_strike else {}
        self._turn = threading.RLock()

    def call(self, name: str, action: Callable[[], Result]) -> Result:
        with self._turn:
            number = len(self.calls) + 1
            due = self._before.pop(number, None)
            if due is not None:
                if number in self._faults:
                    self._faults[number].strike()
                due()
            return super().call(name, action)


class Blind(FaultyStorage):
    """Lists nothing of a folder, or omits one object of it."""

    def __init__(self, inner: MemoryStorage, folder: ObjectFolder, *, hidden: int | None = None) -> None:
        super().__init__(inner, at=0)
        self._prefix = f"{prefix_of(TENANT, REPOSITORY)}{folder.name}/"
        self._hidden = hidden

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for number, found in enumerate(super().list(prefix)):
            if prefix != self._prefix or (self._hidden is not None and number != self._hidden):
                yield found


class Full(MemoryStorage):
    """Has room for that many bytes of objects, until something is deleted."""

    def __init__(self, inner: MemoryStorage, room: int) -> None:
        super().__init__()
        self.objects = inner.objects
        self.room = room

    def _put(self, key: str, data: bytes) -> None:
        if len(data) > self.room:
            raise StorageFull("no room")
        self.room -= len(data)
        super()._put(key, data)

    def delete(self, key: str) -> None:
        self.room += len(self.objects.get(key, b""))
        super().delete(key)
