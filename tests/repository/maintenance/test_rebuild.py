"""The rebuild of the index from the packs."""

from __future__ import annotations

import pytest

from repository.chunked.maintenance import rebuild
from repository.chunked.maintenance.rebuild import index_rebuild
from repository.chunked.objects import INDEX, MARKS, PACKS, id_new
from repository.errors import PruneRefused, PruneRunning
from tests.repository.maintenance.storages import Blind, ScheduledStorage
from tests.repository.maintenance.world import World
from tests.storage.memory import FaultyStorage


@pytest.fixture
def grown(world: World) -> World:
    """Three snapshots, each with packs of its own."""
    parent = None
    for _ in range(3):
        world.write(a=50_000)
        parent = world.snapshot(parent=parent)
    return world


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_lost_index_is_made_anew(grown: World, left: int) -> None:
    for name in sorted(grown.names(INDEX))[left:]:
        del grown.storage.objects[grown.key(INDEX, name)]
    report = index_rebuild(grown.open())
    assert report.packs == 6
    assert not report.damaged
    assert len(grown.names(INDEX)) == 1
    grown.assert_sound()


def test_long_index_is_split(grown: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "ENTRIES_MAX", 4)
    index_rebuild(grown.open())
    assert len(grown.names(INDEX)) > 1
    grown.assert_sound()


def test_pack_with_a_damaged_directory_keeps_its_entries(grown: World) -> None:
    pack = grown.pack_of(next(iter(grown.content)), b"b")
    key = grown.key(PACKS, pack)
    damaged = bytearray(grown.storage.objects[key])
    damaged[-60] ^= 1  # in the directory; the chunks are intact
    grown.storage.objects[key] = bytes(damaged)
    before = sorted(grown.open().chunks().index.entries(), key=str)
    report = index_rebuild(grown.open())
    assert list(report.damaged) == [pack]
    assert sorted(grown.open().chunks().index.entries(), key=str) == before
    assert grown.storage.objects[key] == bytes(damaged)


def test_a_pack_that_is_gone_is_reported_and_no_longer_indexed(grown: World) -> None:
    pack = grown.pack_of(next(iter(grown.content)), b"b")
    del grown.storage.objects[grown.key(PACKS, pack)]
    assert index_rebuild(grown.open()).lost == [pack]
    assert pack not in grown.open().chunks().index.packs()


def test_a_list_that_cannot_be_right_changes_nothing(grown: World) -> None:
    before = dict(grown.storage.objects)
    for hidden in (None, 0):
        with pytest.raises(PruneRefused):
            index_rebuild(grown.open(Blind(grown.storage, PACKS, hidden=hidden)))
    assert grown.storage.objects == before


def test_rebuild_is_refused_during_a_prune(grown: World) -> None:
    grown.open().objects.put_map(MARKS, id_new(), {"kind": "prune", "at": grown.open().time()})
    with pytest.raises(PruneRunning):
        index_rebuild(grown.open())


def test_a_snapshot_made_meanwhile_stays_indexed(grown: World) -> None:
    base = dict(grown.storage.objects)
    index_rebuild(grown.open(counted := FaultyStorage(grown.storage, at=0)))
    for at in range(1, len(counted.calls) + 1):
        grown.storage.objects = dict(base)
        grown.write(a=60_000)
        index_rebuild(grown.open(ScheduledStorage(grown.storage, {at: lambda: grown.snapshot() and None})))
        grown.assert_sound()
