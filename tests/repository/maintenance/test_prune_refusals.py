"""The refusals of a prune: nothing is deleted, and the message says why (R16, R21)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from repository.chunked.maintenance import repack
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.marks import LIFE, MarkKind
from repository.chunked.objects import CONDEMNED, DAMAGED, INDEX, MARKS, PACKS, SNAPSHOTS, TOMBSTONES, ObjectFolder
from repository.errors import PruneRefused, PruneRunning
from repository.storage import ObjectInfo, ObjectWriter, StorageUnavailable
from tests.repository.maintenance.storages import Blind
from tests.repository.maintenance.world import DAY, World, dead_pack, mark, stored
from tests.storage.memory import FaultyStorage

NOW = timedelta(0)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("folder", "why"),
    [(SNAPSHOTS, "no snapshot is listed"), (PACKS, "packs that are not listed"), (INDEX, "no index")],
)
def test_an_empty_list_deletes_nothing(world: World, folder: ObjectFolder, why: str) -> None:
    dead_pack(world)
    world.prune(small_pack=0)
    world.clock.now += DAY
    ready = prune_plan(world.open(), grace=NOW)
    assert ready.delete
    before = stored(world)
    blind = Blind(world.storage, folder)
    assert any(why in refusal for refusal in prune_plan(world.open(blind), grace=NOW).refusals)
    # Also if the listing fails between the plan and its execution.
    with pytest.raises(PruneRefused, match=why):
        prune_execute(world.open(blind), ready)
    assert stored(world) == before


def test_a_list_that_lacks_one_pack_deletes_nothing(world: World) -> None:
    world.snapshot()
    with pytest.raises(PruneRefused, match="1 packs that are not listed"):
        world.prune(Blind(world.storage, PACKS, hidden=0))


def test_a_list_that_lacks_a_snapshot_of_the_catalogue_deletes_nothing(world: World) -> None:
    kept = world.snapshot()
    world.write(a=100_000)
    world.snapshot(parent=kept)
    hiding = Blind(world.storage, SNAPSHOTS, hidden=0)
    with pytest.raises(PruneRefused, match="1 snapshots that should be there"):
        world.prune(hiding, expected=frozenset(world.content))


@pytest.mark.parametrize("folder", [MARKS, CONDEMNED, SNAPSHOTS, TOMBSTONES, INDEX, DAMAGED, PACKS])
def test_a_list_that_fails_deletes_nothing(world: World, folder: ObjectFolder) -> None:
    dead_pack(world)
    ready = prune_plan(world.open(), grace=NOW)
    before = stored(world)

    class Failing(FaultyStorage):
        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            if prefix.endswith(f"/{folder.name}/"):
                raise StorageUnavailable("page 3")
            yield from super().list(prefix)

    with pytest.raises(PruneRefused, match="does not answer"):
        prune_plan(world.open(Failing(world.storage, at=0)), grace=NOW)
    with pytest.raises((PruneRefused, StorageUnavailable)):
        prune_execute(world.open(Failing(world.storage, at=0)), ready)
    assert stored(world) == before


def test_prune_without_snapshots_needs_allow_empty(world: World) -> None:
    snapshot_forget(world.open(), snapshot=world.snapshot())
    with pytest.raises(PruneRefused, match="no snapshot is listed"):
        world.prune()
    world.prune(allow_empty=True)
    world.clock.now += DAY
    world.prune(allow_empty=True)
    assert not world.names(PACKS)
    assert not world.names(INDEX)


@pytest.mark.parametrize("what", ["root", "manifest"])
def test_a_snapshot_that_cannot_be_read_keeps_everything(world: World, what: str) -> None:
    dead_pack(world)
    world.prune(small_pack=0)
    world.clock.now += DAY
    [snapshot] = world.names(SNAPSHOTS)
    damaged = world.key(SNAPSHOTS, snapshot)
    if what == "manifest":
        index = world.open().chunks().index
        root = world.open().manifest(snapshot).root
        damaged = world.key(PACKS, index.find(root.chunks[:32]).pack)
    world.storage.objects[damaged] = world.storage.objects[damaged][:-1] if what == "root" else b"\0" * 1000
    before = stored(world)
    with pytest.raises(PruneRefused, match="nothing is deleted"):
        world.prune()
    assert stored(world) == before


@pytest.mark.parametrize("ahead", [timedelta(minutes=6), timedelta(days=1)])
def test_a_mark_or_condemnation_of_the_future_deletes_nothing(world: World, ahead: timedelta) -> None:
    dead_pack(world)
    name = mark(world, age=-ahead)
    before = stored(world)
    with pytest.raises(PruneRefused, match="more than 5 minutes"):
        world.prune()
    assert stored(world) == before
    world.open().objects.delete(MARKS, name)
    world.prune()
    world.clock.now -= ahead
    before = stored(world)
    with pytest.raises(PruneRefused, match="more than 5 minutes"):
        world.prune()
    assert stored(world) == before


def test_writer_with_a_fast_clock_revokes_the_condemnation(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_pack(world)
    begun: list[bytes] = []
    copy = repack.PackCopier.copy

    def begins(copier: repack.PackCopier, *args: object, **kwargs: object) -> None:
        begun.append(mark(world, age=-timedelta(hours=1)))
        copy(copier, *args, **kwargs)

    monkeypatch.setattr(repack.PackCopier, "copy", begins)
    with pytest.raises(PruneRefused, match="more than 5 minutes"):
        world.prune()
    assert begun
    assert not world.names(CONDEMNED)
    world.assert_sound()


def test_a_clock_that_jumps_a_day_deletes_nothing_beside_a_writer(world: World) -> None:
    pack = dead_pack(world)
    mark(world, age=NOW)
    world.prune(small_pack=0)
    world.clock.now += timedelta(days=1, hours=1)
    result = prune_plan(world.open(), grace=timedelta(hours=12), small_pack=0)
    assert result.delete == frozenset()
    assert result.waiting == ["2 condemned packs: a snapshot that may use them is still being written"]
    assert pack in world.names(PACKS)


def test_a_writer_that_died_is_waited_for_once_more_and_then_forgotten(world: World) -> None:
    pack = dead_pack(world)
    name = mark(world, age=NOW)
    world.prune(small_pack=0)
    world.clock.now += LIFE + MINUTE
    world.prune(small_pack=0)
    assert pack in world.names(PACKS)
    assert name not in world.names(MARKS)
    world.prune(small_pack=0)
    assert pack not in world.names(PACKS)
    world.assert_sound()


def test_a_prune_that_runs_elsewhere_is_left_alone_until_it_must_be_dead(world: World) -> None:
    dead_pack(world)
    name = mark(world, age=LIFE - MINUTE, kind=MarkKind.PRUNE)
    with pytest.raises(PruneRunning):
        world.prune()
    assert not world.names(CONDEMNED)
    world.clock.now += 2 * MINUTE
    world.prune()
    assert world.names(CONDEMNED)
    assert name not in world.names(MARKS)


@pytest.mark.parametrize("minutes", [4, 5, 6])
def test_a_condemnation_that_was_long_on_its_way_does_not_stay(world: World, minutes: int) -> None:
    """A writer that began meanwhile did not see it, and would pass for one that did."""
    dead_pack(world)

    class Slow(FaultyStorage):
        def writer(self, key: str, *, expected_size: int) -> AbstractContextManager[ObjectWriter]:
            if "/condemned/" in key:
                world.clock.now += minutes * MINUTE
            return super().writer(key, expected_size=expected_size)

    if minutes < 5:
        assert world.prune(Slow(world.storage, at=0), small_pack=0).condemned
    else:
        with pytest.raises(PruneRefused, match="more than 5 minutes"):
            world.prune(Slow(world.storage, at=0), small_pack=0)
    assert bool(world.names(CONDEMNED)) == (minutes < 5)
