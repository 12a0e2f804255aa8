"""Faults at every storage call of every maintenance job: nothing listed is lost, and a second run completes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest

from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.rebuild import index_rebuild
from repository.chunked.marks import LIFE
from repository.chunked.objects import CONDEMNED, INDEX, MARKS, PACKS, SNAPSHOTS, TOMBSTONES
from repository.errors import PruneRefused, RepositoryError
from repository.storage import Storage, StorageDenied, StorageError, StorageFull, StorageUnavailable
from tests.repository.maintenance.world import World
from tests.storage.memory import Fault, FaultyStorage

HOUR = timedelta(hours=1)
FAULTS: list[tuple[Fault, type[StorageError]]] = [
    ("once", StorageUnavailable),
    ("forever", StorageUnavailable),
    ("reply_lost", StorageUnavailable),
    ("once", StorageDenied),
    ("once", StorageFull),
    ("reply_lost", StorageDenied),
]


@dataclass
class Job:
    """A maintenance job: the state before it, the call, and the expected end."""

    prepare: Callable[[World], None]
    run: Callable[[World, Storage], object]
    ended: Callable[[World], bool]


def two_snapshots(world: World) -> None:
    first = world.snapshot()
    world.write(a=310_000)
    world.snapshot(parent=first)


def prunable(world: World) -> None:
    """Condemned packs past the grace, dead packs, packs to repack, and a leftover root."""
    first = world.snapshot()
    world.remove("a")
    second = world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    world.clock.now += HOUR
    world.prune()
    world.write(a=400_000, d=50_000)
    third = world.snapshot(parent=second)
    world.remove("a")
    world.snapshot(parent=third)
    left = world.storage.objects[world.key(SNAPSHOTS, third)]
    snapshot_forget(world.open(), snapshot=third)
    world.storage.objects[world.key(SNAPSHOTS, third)] = left
    world.clock.now += HOUR


def forget_first(world: World, storage: Storage) -> None:
    snapshot_forget(world.open(storage), snapshot=next(iter(world.content)))


def is_forgotten(world: World) -> bool:
    return next(iter(world.content)) not in world.names(SNAPSHOTS)


def is_pruned(world: World) -> bool:
    world.prune_all()
    return len(world.names(PACKS)) == 2 and len(world.names(INDEX)) == 1 and not world.names(TOMBSTONES)


JOBS = {
    "forget": Job(two_snapshots, forget_first, is_forgotten),
    "prune": Job(prunable, lambda world, storage: world.prune(storage), is_pruned),
    "rebuild": Job(
        two_snapshots,
        lambda world, storage: index_rebuild(world.open(storage)),
        lambda world: len(world.names(INDEX)) == 1,
    ),
}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_failure_at_any_call_loses_nothing_and_a_second_run_completes(
    world: World, job: Job, fault: Fault, error: type[StorageError]
) -> None:
    job.prepare(world)
    base, began = dict(world.storage.objects), world.clock.now
    job.run(world, counted := FaultyStorage(world.storage, at=0))
    for at in range(1, len(counted.calls) + 1):
        world.storage.objects, world.clock.now = dict(base), began
        with suppress(StorageError, RepositoryError):
            job.run(world, FaultyStorage(world.storage, at=at, fault=fault, error=error))
        world.assert_sound()
        # A mark that the fault left behind has to expire first.
        world.clock.now += LIFE + HOUR if world.names(MARKS) else HOUR
        job.run(world, world.storage)
        assert job.ended(world)
        assert not world.names(MARKS)
        assert not world.names(CONDEMNED)
        world.assert_sound()


@pytest.mark.parametrize("error", [StorageUnavailable, StorageFull])
def test_prune_with_a_failed_read_says_that_nothing_was_deleted(world: World, error: type[StorageError]) -> None:
    prunable(world)
    before = dict(world.storage.objects)
    with pytest.raises(PruneRefused, match="nothing was deleted"):
        JOBS["prune"].run(world, FaultyStorage(world.storage, at=20, fault="forever", error=error))
    assert world.storage.objects == before
