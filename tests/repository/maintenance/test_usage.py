"""The storage that a repository takes."""

from __future__ import annotations

from collections.abc import Iterator

from repository.chunked.maintenance.forget import snapshot_forget
from repository.chunked.maintenance.usage import repository_usage
from repository.chunked.objects import INDEX, PACKS, SNAPSHOTS
from tests.repository.maintenance.world import World
from tests.storage.memory import FaultyStorage


def test_usage_counts_shared_chunks_once(world: World) -> None:
    first = world.snapshot()
    one = repository_usage(world.open())
    second = world.snapshot(parent=first)
    both = repository_usage(world.open())
    assert one.snapshots == {first: 500_005}
    assert both.snapshots == {first: 500_005, second: 500_005}
    assert (one.logical, both.logical) == (500_005, 1_000_010)
    assert both.unique == one.unique
    assert 500_005 < one.unique < 510_000  # and the manifest
    listed = sum(sum(world.names(folder).values()) for folder in (PACKS, INDEX, SNAPSHOTS))
    assert both.stored == listed
    assert both.dead == 0


def test_unused_chunks_count_as_dead_until_pruned(world: World) -> None:
    first = world.snapshot()
    world.remove("a")
    second = world.snapshot(parent=first)
    snapshot_forget(world.open(), snapshot=first)
    after = repository_usage(world.open())
    assert after.snapshots == {second: 200_005}
    assert 300_000 < after.dead < 310_000
    world.prune_all()
    pruned = repository_usage(world.open())
    assert pruned.dead == 0
    assert pruned.unique == after.unique
    assert pruned.stored < after.stored - 300_000


def test_a_snapshot_that_is_deleted_meanwhile_counts_no_more(world: World) -> None:
    ids = {world.snapshot(), world.snapshot()}
    gone: set[bytes] = set()

    class Deleting(FaultyStorage):
        def read(self, key: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
            if "/snapshots/" in key and not gone:
                gone.add(bytes.fromhex(key.rpartition("/")[2]))
                snapshot_forget(world.open(), snapshot=next(iter(gone)))
            return super().read(key, start=start, stop=stop)

    usage = repository_usage(world.open(Deleting(world.storage, at=0)))
    assert usage.snapshots.keys() == ids - gone
    assert len(gone) == 1


def test_chunks_are_grouped_by_the_snapshots_that_use_them(world: World) -> None:
    first = world.snapshot()
    world.write(d=250_000)
    second = world.snapshot(parent=first)
    world.remove("a")
    third = world.snapshot(parent=second)
    usage = repository_usage(world.open())
    plain = {frozenset(group.snapshots): group.plain for group in usage.groups}
    near = {
        frozenset([first, second, third]): 200_005,
        frozenset([first, second]): 300_000,
        frozenset([second, third]): 250_000,
    }
    for users, size in near.items():
        assert size <= plain[users] < size + 5000
    # Each manifest is its snapshot's own.
    assert all(plain[frozenset([snapshot])] < 5000 for snapshot in (first, second, third))
    assert usage.unique == sum(plain.values())
    listed = sum(world.names(PACKS).values())
    assert 0 < listed - sum(group.stored for group in usage.groups) < 5000
    assert usage.dead == 0
