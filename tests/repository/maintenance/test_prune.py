"""The decisions, refusals and results of a prune."""

from __future__ import annotations

from datetime import timedelta

import pytest

from repository.chunked.chunks.chunk import ChunkType
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.objects import CONDEMNED, INDEX, MARKS, PACKS, SNAPSHOTS
from repository.errors import PruneRefused
from tests.repository.maintenance.storages import Full
from tests.repository.maintenance.world import DAY, World, dead_pack, mark, stored

NOW = timedelta(0)
MINUTE = timedelta(minutes=1)


def test_dead_pack_is_condemned_and_deleted_after_the_grace(world: World) -> None:
    pack = dead_pack(world)
    first = world.prune(grace=DAY, small_pack=0)
    assert (first.condemned, first.deleted) == (2, 0)  # the second pack is the manifest's
    assert pack in world.names(PACKS)
    world.clock.now += DAY - MINUTE
    assert world.prune(grace=DAY, small_pack=0).deleted == 0
    world.clock.now += MINUTE
    size = world.names(PACKS)[pack]
    last = world.prune(grace=DAY, small_pack=0)
    assert last.deleted == 2
    assert last.freed > size
    assert pack not in world.names(PACKS)
    assert not world.names(CONDEMNED)
    world.assert_sound()


def test_figures_of_the_plan_match_the_prune(world: World) -> None:
    dead_pack(world)
    plan = prune_plan(world.open(), grace=NOW, small_pack=0)
    before = stored(world)
    assert list(plan.lines())[:4] == [
        "packs kept: 2",
        "condemned packs deleted now: 0, 0 bytes freed",
        "condemned packs that are used after all: 0",
        "packs of which nothing is used: 2, in no index: 0",
    ]
    assert stored(world) == before
    later = plan.freed_later
    prune_execute(world.open(), plan)
    world.clock.now += DAY
    assert prune_plan(world.open(), grace=NOW, small_pack=0).freed_now == later
    assert world.prune(small_pack=0).freed == later


def test_small_packs_are_merged_and_then_deleted(world: World) -> None:
    parent = None
    for _ in range(5):
        world.write(d=10_000)
        parent = world.snapshot(parent=parent)
    assert len(world.packs(ChunkType.DATA)) == 5
    world.prune_all()
    assert len(world.packs(ChunkType.DATA)) == len(world.packs(ChunkType.MANIFEST)) == 1
    assert len(world.names(INDEX)) == 1
    world.assert_sound()


def test_a_tiny_pack_of_which_all_is_used_is_left_alone(world: World) -> None:
    first = world.snapshot()
    world.write(tiny=100)
    world.snapshot(parent=first)
    # The frame around the chunks, a large share of so small a pack, is not dead.
    assert prune_plan(world.open(), grace=NOW, small_pack=0).repack == frozenset()


def test_a_pack_is_copied_from_when_enough_of_it_is_dead(world: World) -> None:
    world.write(a=3 << 20, b=1 << 20)
    first = world.snapshot()
    world.remove("a")
    second = world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    few = prune_plan(world.open(), grace=NOW, small_pack=0, dead_share=0.8)
    assert few.repack == frozenset()
    many = prune_plan(world.open(), grace=NOW, small_pack=0, dead_share=0.7)
    assert many.repack == {world.pack_of(second, b"b")}
    assert 1 << 20 < many.copied < 2 << 20
    world.prune_all()
    assert sum(world.names(PACKS).values()) < 2 << 20
    world.assert_sound()


def test_pack_used_after_its_condemnation_is_rescued(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = dead_pack(world)
    content = world.content[next(found for found, files in world.content.items() if b"d" in files)]
    world.write(d=content[b"d"])
    world.clock.now += DAY
    # Condemned during the snapshot: the writer read the condemnations before.
    with monkeypatch.context() as patched:
        patched.setattr("repository.chunked.index.index.condemned_packs", lambda objects: frozenset())
        world.prune(small_pack=0)
        world.snapshot()
    world.clock.now += DAY
    result = world.prune(small_pack=0)
    assert result.rescued == 1
    assert pack in world.names(PACKS)
    assert not world.names(CONDEMNED)
    world.assert_sound()


def test_a_plan_serves_once(world: World) -> None:
    dead_pack(world)
    plan = prune_plan(world.open(), grace=NOW)
    prune_execute(world.open(), plan)
    before = stored(world)
    with pytest.raises(PruneRefused, match="carried out before"):
        prune_execute(world.open(), plan)
    assert stored(world) == before


def test_pack_of_an_old_plan_is_kept_if_used_now(world: World) -> None:
    dead_pack(world)
    world.prune(small_pack=0)
    world.clock.now += DAY
    old = prune_plan(world.open(), grace=NOW, small_pack=0)
    assert len(old.delete) == 2
    condemned = world.names(CONDEMNED)
    for name in condemned:
        world.open().objects.delete(CONDEMNED, name)
    assert prune_execute(world.open(), old).deleted == 0
    world.assert_sound()


def test_damage_is_not_copied_and_its_pack_stays(world: World) -> None:
    world.write(a=3 << 20, b=1 << 20)
    first = world.snapshot()
    world.remove("a")
    second = world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    at = world.open().chunks().index.find(next(world.open().manifest(second).under(b"b"))[0].content.ids[:32])
    key = world.key(PACKS, at.pack)
    broken = bytearray(world.storage.objects[key])
    broken[at.offset + 100] ^= 1
    world.storage.objects[key] = bytes(broken)
    tried = []
    for _ in range(3):
        tried.append(list(world.prune(small_pack=0).damaged))
        world.clock.now += DAY
    assert tried == [[at.pack], [], []]
    assert world.storage.objects[key] == bytes(broken)


@pytest.mark.parametrize("where", ["a chunk", "the directory", "the header"])
def test_prunes_come_to_rest_beside_a_small_pack_that_is_damaged(world: World, where: str) -> None:
    parent = None
    for name in ("a", "b", "c"):
        world.write(**{name: 10_000})
        parent = world.snapshot(parent=parent)
    assert parent is not None
    at = world.open().chunks().index.find(next(world.open().manifest(parent).under(b"b"))[0].content.ids[:32])
    key = world.key(PACKS, at.pack)
    broken = bytearray(world.storage.objects[key])
    broken[{"a chunk": at.offset + 100, "the directory": -20, "the header": 0}[where]] ^= 1
    world.storage.objects[key] = bytes(broken)
    world.prune_all()
    assert not any((plan := prune_plan(world.open(), grace=NOW)).repack | plan.dead | plan.delete)
    assert (world.storage.objects.get(key) == bytes(broken)) is (where == "a chunk")
    if where != "a chunk":
        world.assert_sound()


def test_the_last_good_copy_is_kept_though_the_index_has_another(world: World) -> None:
    dead = dead_pack(world)
    [gone] = [found for found, files in world.content.items() if b"d" in files]
    world.prune(small_pack=0)  # condemned: the next snapshot stores it again
    world.clock.now += DAY
    world.write(d=world.content[gone][b"d"])
    again = world.snapshot()
    chunk = next(world.open().manifest(again).under(b"d"))[0].content.ids[:32]
    [twin] = {at.pack for at in world.open().chunks().index.places(chunk)} - {dead}
    key = world.key(PACKS, twin)
    broken = bytearray(world.storage.objects[key])
    broken[100] ^= 1
    world.storage.objects[key] = bytes(broken)
    result = world.prune(small_pack=0)
    assert dead in world.names(PACKS)
    assert result.notes == ["1 packs are kept: of what they hold, the other copy is damaged"]


def test_orphans_are_left_to_a_writer_at_work_and_taken_when_there_is_none(world: World) -> None:
    world.snapshot()
    gone = dict(world.names(INDEX))
    world.write(d=100_000)
    world.snapshot()
    [late] = world.names(INDEX).keys() - gone.keys()
    [last] = [found for found, files in world.content.items() if b"d" in files]
    for key in (world.key(INDEX, late), world.key(SNAPSHOTS, last)):
        del world.storage.objects[key]
    name = mark(world, age=NOW)
    assert prune_plan(world.open(), grace=NOW, small_pack=0).orphans == frozenset()
    world.open().objects.delete(MARKS, name)
    assert len(prune_plan(world.open(), grace=NOW, small_pack=0).orphans) == 2
    world.prune_all()
    assert len(world.names(PACKS)) == 2
    world.assert_sound()


def test_used_packs_of_a_lost_index_are_indexed_again(world: World) -> None:
    first = world.snapshot()
    known = set(world.names(INDEX))
    world.write(d=100_000)
    world.snapshot(parent=first)
    [lost] = world.names(INDEX).keys() - known
    del world.storage.objects[world.key(INDEX, lost)]
    plan = prune_plan(world.open(), grace=NOW, small_pack=0)
    assert len(plan.adopt) == 2
    prune_execute(world.open(), plan)
    world.assert_sound()


def test_a_late_delete_of_something_pruned_hits_nothing_new(world: World) -> None:
    pack = dead_pack(world)
    [gone] = [found for found, files in world.content.items() if b"d" in files]
    world.prune_all()
    world.write(d=world.content[gone][b"d"])
    world.snapshot()
    world.storage.delete(world.key(PACKS, pack))  # R18: the request comes again, days later
    world.storage.delete(world.key(SNAPSHOTS, gone))
    world.assert_sound()


def test_steps_that_became_due_after_the_plan_are_not_done(world: World) -> None:
    pack = dead_pack(world)
    world.prune(small_pack=0)
    early = prune_plan(world.open(), grace=DAY, small_pack=0)
    assert early.delete == frozenset()
    world.clock.now += 2 * DAY
    assert prune_execute(world.open(), early).deleted == 0
    assert pack in world.names(PACKS)


@pytest.mark.parametrize("room", [200, 0])
def test_dead_packs_are_deleted_on_a_full_storage(world: World, room: int) -> None:
    pack = dead_pack(world)
    world.prune(small_pack=0)
    world.clock.now += DAY
    full = Full(world.storage, room)
    if room:
        # There is room for the mark but not for an index: packs are deleted first, which makes room.
        assert world.prune(full, small_pack=0).deleted == 2
        assert pack not in world.names(PACKS)
        assert not world.names(CONDEMNED)
    else:
        before = stored(world)
        with pytest.raises(PruneRefused, match="no room even for the prune's mark"):
            world.prune(full, small_pack=0)
        assert stored(world) == before
    world.assert_sound()


def test_on_a_full_storage_nothing_is_copied_and_the_prune_says_so(world: World) -> None:
    world.write(a=3 << 20, b=1 << 20)
    first = world.snapshot()
    world.remove("a")
    world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    result = world.prune(Full(world.storage, 100_000))
    assert any("no room to copy" in note for note in result.notes)
    world.assert_sound()


def test_an_index_too_large_for_one_object_is_split_by_packs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repository.chunked.maintenance.consolidate.ENTRIES_MAX", 8)
    parent = None
    for _ in range(12):
        world.write(d=10_000)
        parent = world.snapshot(parent=parent)
    world.prune(small_pack=0)
    index = world.open().chunks().index
    assert 3 < len(index.names) < 12
    world.assert_sound()
