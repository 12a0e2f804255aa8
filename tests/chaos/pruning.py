"""Prunes as the upkeep starts them, with a failure at one call of the storage, or a backup in their middle."""

from __future__ import annotations

from random import Random

from backups.models import Depth
from backups.services.upkeep import repository_verify
from tests.chaos.faults import FAILURES, LIST_EMPTY, PRUNE_EVENTS, Fault
from tests.chaos.snapshots import prune_ask, prune_once, prune_told
from tests.chaos.working import work
from tests.chaos.world import World
from vault.models import Repository

KINDS = (*FAILURES, *PRUNE_EVENTS, "full", "die", "die_after", LIST_EMPTY)
LONGEST = 60
"""The approximate number of calls of a prune of a small repository."""


def prune(world: World, rng: Random) -> str:
    """Prune the repository, perhaps with a fault."""
    if rng.random() < 0.5:
        return prune_once(world)
    kind, at = rng.choice(KINDS), rng.randint(1, rng.randint(1, LONGEST))
    fault = Fault("storage", kind, rng.randint(1, 6), "list") if kind == LIST_EMPTY else Fault("storage", kind, at)
    return f"{fault}: {prune_work(world, fault)}"


def prune_work(world: World, fault: Fault) -> str:
    """Let a worker prune, with a fault. Raises Violated when it ends by anything but a clean error."""
    operation = prune_ask(world)
    if operation is None:
        return "no prune"
    work(world, operation.id, fault)
    return prune_told(world, operation)


def verify_work(world: World, fault: Fault) -> None:
    """Let a worker verify the whole repository, with a fault."""
    operation = repository_verify(repository=Repository.objects.get(), user=None, depth=Depth.DATA)
    work(world, operation.id, fault)
