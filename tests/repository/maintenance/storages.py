"""Storages that lie, run full, or let something else happen in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from repository.objects import Folder, prefix_of
from repository.storage import ObjectInfo, Storage, StorageFull
from tests.faults import fault_script
from tests.repository.maintenance.world import REPOSITORY, TENANT
from tests.storage.memory import FaultyStorage, MemoryStorage, Result


class ScheduledStorage(FaultyStorage):
    """Runs `before[n]` wholly before call n (from 1), while every other call waits."""

    def __init__(self, inner: Storage, before: dict[int, Callable[[], None]]) -> None:
        super().__init__(inner, at=0)
        self._before = {at: (due, fault_script(f"what comes before call {at}")) for at, due in before.items()}
        self._turn = threading.RLock()

    def call(self, name: str, action: Callable[[], Result]) -> Result:
        with self._turn:
            due = self._before.pop(len(self.calls) + 1, None)
            if due is not None:
                act, fault = due
                fault.strike()
                act()
            return super().call(name, action)


class Blind(FaultyStorage):
    """Lists nothing of a folder, or leaves out one object of it."""

    def __init__(self, inner: MemoryStorage, folder: Folder, *, hidden: int | None = None) -> None:
        super().__init__(inner, at=0)
        self._prefix = f"{prefix_of(TENANT, REPOSITORY)}{folder.name}/"
        self._hidden = hidden

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for number, found in enumerate(super().list(prefix)):
            if prefix != self._prefix or (self._hidden is not None and number != self._hidden):
                yield found


class Full(MemoryStorage):
    """Has room for objects of so many bytes, until something is deleted."""

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
