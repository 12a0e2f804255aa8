"""What a repository takes."""

from __future__ import annotations

from repository.maintenance.forget import snapshot_forget
from repository.maintenance.usage import repository_usage
from repository.objects import INDEX, PACKS, SNAPSHOTS
from tests.repository.maintenance.world import World


def test_usage_counts_what_is_shared_once(world: World) -> None:
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


def test_what_no_snapshot_uses_is_dead_until_it_is_pruned(world: World) -> None:
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
