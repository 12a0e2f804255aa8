"""Deleting snapshots."""

from __future__ import annotations

import pytest

from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.objects import SNAPSHOTS, TOMBSTONES, id_new
from repository.chunked.snapshots.listing import snapshots_list
from repository.errors import SnapshotNotFound
from repository.storage import StorageFull, StorageUnavailable
from tests.repository.maintenance.world import World
from tests.storage.memory import FaultyStorage, MemoryStorage


def listed(world: World) -> list[bytes]:
    return [root.snapshot for root in snapshots_list(world.open()).roots]


def test_a_forgotten_snapshot_is_gone_and_the_others_are_whole(world: World) -> None:
    first = world.snapshot()
    world.write(a=100_000)
    second = world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    assert listed(world) == [second]
    assert list(world.names(TOMBSTONES)) == [first]
    world.assert_sound()


def test_forgetting_twice_is_no_error_but_an_unknown_snapshot_is(world: World) -> None:
    snapshot = world.snapshot()
    for _ in range(2):
        snapshot_forget(world.open(), snapshot=snapshot)
    with pytest.raises(SnapshotNotFound):
        snapshot_forget(world.open(), snapshot=id_new())


def test_snapshot_with_a_tombstone_is_not_listed(world: World) -> None:
    snapshot = world.snapshot()
    snapshot_forget(world.open(counted := FaultyStorage(world.storage, at=0)), snapshot=snapshot)
    assert counted.calls[-4:] == ["writer", "write", "commit", "delete"]
    again = world.snapshot()
    with pytest.raises(StorageUnavailable):
        snapshot_forget(
            world.open(FaultyStorage(world.storage, at=len(counted.calls), fault="forever")), snapshot=again
        )
    assert again in world.names(SNAPSHOTS)
    assert listed(world) == []
    snapshot_forget(world.open(), snapshot=again)
    assert again not in world.names(SNAPSHOTS)


def test_a_damaged_snapshot_can_be_forgotten(world: World) -> None:
    snapshot = world.snapshot()
    world.storage.objects[world.key(SNAPSHOTS, snapshot)] = b"damage"
    snapshot_forget(world.open(), snapshot=snapshot)
    assert not world.names(SNAPSHOTS)


def test_forgetting_works_on_a_full_storage(world: World) -> None:
    snapshot = world.snapshot()

    class Full(MemoryStorage):
        def _put(self, key: str, data: bytes) -> None:
            raise StorageFull("no room")

    full = Full()
    full.objects = world.storage.objects
    snapshot_forget(world.open(full), snapshot=snapshot)
    assert listed(world) == []
    assert not world.names(TOMBSTONES)
