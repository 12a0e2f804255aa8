"""Prunes in a process of their own, with a failure at one call of the storage, or a backup in their middle."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from backups.services.backups import backup_create
from common.errors import ApplicationError
from orders.models import BackupFormat, Plan
from repository.errors import RepositoryError
from repository.storage import StorageError
from tests.chaos.faults import FAILURES, LIST_EMPTY, PRUNE_EVENTS, Fault
from tests.chaos.invariants import Violated
from tests.chaos.processes import faulty_run
from tests.chaos.snapshots import prune_once
from tests.chaos.working import work
from tests.chaos.world import World

KINDS = (*FAILURES, *PRUNE_EVENTS, "full", "die", "die_after", LIST_EMPTY)
LONGEST = 60
"""The approximate number of calls of a prune of a small repository."""


def prune(world: World, rng: Random) -> str:
    """Prune the repository as its maintenance does, perhaps with a fault."""
    if rng.random() < 0.5:
        return prune_once(world)
    kind, at = rng.choice(KINDS), rng.randint(1, rng.randint(1, LONGEST))
    fault = Fault("storage", kind, rng.randint(1, 6), "list") if kind == LIST_EMPTY else Fault("storage", kind, at)
    prune_work(world, fault)
    return str(fault)


def prune_work(world: World, fault: Fault) -> None:
    """Prune in a process of its own, with a fault. Raises Violated when it ends by anything but a clean error."""

    def act(word: str) -> None:
        if not word.startswith("fault"):
            _meanwhile(world, word)
        elif fault.kind != "forever" or not told:
            world.fired("prune", fault.kind, word)
            told.append(word)

    def run() -> None:
        with suppress(ApplicationError, RepositoryError, StorageError):
            prune_once(world)

    told: list[str] = []
    code = faulty_run(run, fault, log=world.log, act=act)
    if code and not fault.kind.startswith("die"):
        raise Violated(f"a prune ended with {code}, {fault}")


def _meanwhile(world: World, word: str) -> None:
    """While a prune stands still, another one runs, or a backup is made."""
    if word == "pruned":
        prune_once(world)
        return
    Plan.objects.update(backup_format=BackupFormat.REPOSITORY)
    with suppress(ApplicationError):
        backup_create(
            user=world.user, order_id=world.order.id, provision_id=world.server.id, name=None, idempotency=None
        )
    world.sidecar_ensure()
    for operation in world.live():
        work(world, operation.id)
