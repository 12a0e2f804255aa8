"""R17: a two-phase prune beside a snapshot that wants condemned chunks, at every interleaving of their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from repository.chunked.index import index
from repository.chunked.maintenance import exclusive, plan
from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.prune import prune_execute, prune_plan
from repository.chunked.objects import CONDEMNED, MARKS, SNAPSHOTS
from repository.chunked.snapshots.listing import snapshots_list
from repository.errors import Overtaken, PruneRunning, RepositoryError
from repository.storage import ObjectNotFound, StorageUnavailable
from tests.repository.maintenance.storages import ScheduledStorage
from tests.repository.maintenance.world import DAY, World
from tests.storage.memory import FaultyStorage

HOUR = timedelta(hours=1)


def all_dead(world: World) -> None:
    """A deleted snapshot: all its packs exist and are unused."""
    snapshot_forget(world.open(), snapshot=world.snapshot())


def partly_dead(world: World) -> None:
    """A deleted snapshot of which another one uses a little: its pack is repacked."""
    first = world.snapshot()
    world.remove("a")
    world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    world.write(a=0)


def orphaned(world: World) -> None:
    """Packs of a snapshot that was interrupted before an index named them."""
    storage = FaultyStorage(world.storage, at=0)
    probe = World(world.folder)
    probe.snapshot(counted := FaultyStorage(probe.storage, at=0))
    last_write = len(counted.calls) - 8  # the index; its commit, a check of the mark, the root and the end follow
    storage = FaultyStorage(world.storage, at=last_write, fault="forever", error=StorageUnavailable)
    with pytest.raises(StorageUnavailable):
        world.snapshot(storage)
    assert len(world.open().chunks().index.packs()) == 0
    # The mark expires and is removed.
    world.clock.now += timedelta(days=3)
    world.prune(allow_empty=True)
    assert not world.names(MARKS)


SCENARIOS = [all_dead, partly_dead, orphaned]


def requests(storage: FaultyStorage) -> list[int]:
    """The calls that make a change visible to others, or read others' changes; calls between them are one request."""
    return [at for at, name in enumerate(storage.calls, 1) if name in ("list", "read", "commit", "size", "delete")]


def interleaved(
    world: World, scenario: Callable[[World], None], *, may_fail: tuple[type[Exception], ...] = ()
) -> Iterator[tuple[int, int]]:
    """Run every interleaving, and yield after each one for the caller's assertions."""
    wanted = {path.name: path.read_bytes() for path in world.folder.iterdir()}
    scenario(world)
    world.write(**wanted)
    base, began = dict(world.storage.objects), world.clock.now
    world.snapshot(counted := FaultyStorage(world.storage, at=0))
    places = [0, *requests(counted), len(counted.calls) + 1]

    def phase() -> None:
        world.clock.now += HOUR
        world.prune(allow_empty=True)
        world.clock.now += HOUR

    for number, first in enumerate(places):
        for second in places[number:]:
            world.storage.objects, world.clock.now = dict(base), began
            phases = {first: phase, second: phase} if first != second else {first: lambda: (phase(), phase())}
            storage = ScheduledStorage(world.storage, phases, must_strike=False)
            if 0 in phases:
                phases.pop(0)()
            with suppress(*may_fail):
                world.snapshot(storage)
            for late in sorted(phases):
                phases[late]()
            yield first, second


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_snapshot_beside_both_phases_is_whole(world: World, scenario: Callable[[World], None]) -> None:
    for _ in interleaved(world, scenario):
        assert world.names(SNAPSHOTS)
        world.assert_sound()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_without_the_look_at_marks_a_snapshot_is_lost(
    world: World, scenario: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_is_being_written", lambda facts, found: False)
    assert losses(world, scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_without_the_writers_look_at_condemnations_a_snapshot_is_lost(
    world: World, scenario: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "condemned_packs", lambda objects: frozenset())
    assert losses(world, scenario)


def losses(world: World, scenario: Callable[[World], None]) -> list[tuple[int, int]]:
    """The first interleaving after which a listed snapshot cannot be read. A failed snapshot is not a loss."""
    for place in interleaved(world, scenario, may_fail=(ObjectNotFound,)):
        try:
            world.assert_sound()
        except (AssertionError, RepositoryError):
            return [place]
    return []


def test_later_prunes_finish_after_any_interleaving(world: World) -> None:
    for _ in interleaved(world, partly_dead):
        world.prune_all()
        assert not world.names(CONDEMNED)
        assert not world.names(MARKS)
        world.assert_sound()


def two_prunes(world: World, at: int) -> list[str]:
    """Run a prune inside another, before its n-th call; returns the result of each, the inner one first."""
    said: list[str] = []

    def one(storage: FaultyStorage | None = None) -> None:
        planned = prune_plan(world.open(), grace=timedelta(0))
        try:
            prune_execute(world.open(storage), planned)
            said.append("done")
        except PruneRunning:
            said.append("running")

    one(ScheduledStorage(world.storage, {at: one}))
    return said


@pytest.fixture
def prunable(world: World) -> tuple[dict[str, bytes], World]:
    """A repository with a condemned pack past the grace, and a dead one."""
    partly_dead(world)
    world.clock.now += HOUR
    world.prune()
    keep, gone = world.snapshot(), None
    world.write(a=100_000)
    gone = world.snapshot(parent=keep)
    world.remove("a")
    world.snapshot(parent=gone)
    snapshot_forget(world.open(), snapshot=gone)
    world.clock.now += HOUR
    return dict(world.storage.objects), world


def test_one_or_both_of_two_concurrent_prunes_back_off(prunable: tuple[dict[str, bytes], World]) -> None:
    base, world = prunable
    planned = prune_plan(world.open(), grace=timedelta(0))
    prune_execute(world.open(counted := FaultyStorage(world.storage, at=0)), planned)
    seen = []
    for at in requests(counted):
        world.storage.objects = dict(base)
        seen.append(tuple(two_prunes(world, at)))
        world.assert_sound()
        world.prune_all()
        world.assert_sound()
    # Before the outer prune has set its mark, the inner one completes; after that it is refused.
    assert set(seen) == {("done", "done"), ("running", "done")}
    assert seen == sorted(seen)


def test_two_prunes_that_have_both_set_their_marks_both_back_off(
    prunable: tuple[dict[str, bytes], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, world = prunable
    listed = exclusive.marks_list
    inner: list[str] = []

    def late(objects: object) -> object:
        monkeypatch.setattr(exclusive, "marks_list", listed)
        with pytest.raises(PruneRunning):
            world.prune()
        inner.append("running")
        return listed(objects)

    monkeypatch.setattr(exclusive, "marks_list", late)
    world.prune()
    assert inner == ["running"]
    world.assert_sound()


def test_a_root_that_is_stored_after_days_lists_no_snapshot(world: World) -> None:
    first = world.snapshot()
    world.write(new=50_000)

    class Slow:
        """A storage that takes days to begin with a root, while prunes go on."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.storage, name)

        def writer(self, key: str, *, expected_size: int) -> Any:
            if "/snapshots/" in key:
                for _ in range(4):
                    world.prune(grace=DAY)
                    world.clock.now += DAY
            return world.storage.writer(key, expected_size=expected_size)

    with pytest.raises(Overtaken):
        world.snapshot(Slow(), parent=first)
    assert [root.snapshot for root in snapshots_list(world.open()).roots] == [first]
