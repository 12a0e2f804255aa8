"""Fail every call of a whole create, restore and delete in turn; the order stays usable each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from backups.services.backups import backup_create, backup_delete
from operations.models import Operation
from tests.chaos.edits import tree_edit
from tests.chaos.faults import Fault
from tests.chaos.invariants import Violated, backups_check, check, secrets_check
from tests.chaos.playing import come_to_rest, storage_settle
from tests.chaos.steps import restore_ask
from tests.chaos.working import work
from tests.chaos.world import World

SHORT = [("storage", "once"), ("storage", "reply_lost"), ("wire", "once"), ("wire", "reply_lost")]
LONG = [
    *((edge, kind) for edge in ("storage", "wire", "database") for kind in ("once", "forever", "reply_lost", "die")),
    *((edge, kind) for edge in ("storage", "wire", "database") for kind in ("die_after", "overtaken")),
    ("storage", "full"), ("storage", "pause"), ("wire", "pause"), ("storage", "cancel"), ("wire", "cancel"),
    ("wire", "sidecar_killed"),
]  # fmt: skip
FEWEST_CALLS = 2
"""A job with fewer calls of an edge was not swept at all, unless it has none."""


def sweep(world: World, faults: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Fail every call of every job in each of these ways; returns the number of calls. Raises Violated."""
    swept: dict[str, int] = {}
    for name, begin in JOBS.items():
        for edge, kind in faults:
            if (name, edge) == ("delete", "wire"):
                continue
            count = _calls_fail(world, begin, edge, kind)
            if count < FEWEST_CALLS:
                raise Violated(f"{name}: only {count} calls of the {edge} could be made to fail")
            swept[f"{name}, {edge}: {kind}"] = count
    storage_settle(world)
    secrets_check(world)
    return swept


def _calls_fail(world: World, begin: Callable[[World, Random], None], edge: str, kind: str) -> int:
    at, fired = 0, f"{edge}: {kind}"
    while True:
        at += 1
        before = world.happened[fired]
        begin(world, Random(at))  # noqa: S311 - must be repeatable
        world.steps.append(f"{begin.__name__}, {kind} at call {at} of the {edge}")
        for operation in world.live():
            work(world, operation.id, Fault(edge, kind, at))
        check(world)
        come_to_rest(world, restart=False)
        backups_check(world)
        _room_make(world)
        if world.happened[fired] == before:
            return at - 1


def _create(world: World, rng: Random) -> None:
    tree_edit(world.root, rng)
    _backup_ask(world)


def _restore(world: World, rng: Random) -> None:
    _ready_have(world)
    for _ in range(4):
        tree_edit(world.root, rng)
    restore_ask(world, next(backup for backup in world.backups() if backup.status == "ready"))


def _delete(world: World, rng: Random) -> None:
    _ready_have(world)
    _delete_ask(world)


JOBS = {"create": _create, "restore": _restore, "delete": _delete}


def _ready_have(world: World) -> None:
    if not [backup for backup in world.backups() if backup.status == "ready"]:
        _backup_ask(world)
        come_to_rest(world, restart=False)


def _backup_ask(world: World) -> None:
    backup_create(user=world.user, order_id=world.order.id, provision_id=world.server.id, name=None, idempotency=None)


def _delete_ask(world: World) -> None:
    oldest = world.backups()[0]
    backup_delete(user=world.user, backup=oldest)
    world.removed.add(oldest.id)


def _room_make(world: World) -> None:
    """Keep only one backup, so that the limit is never reached."""
    while len(world.backups()) > 1:
        _delete_ask(world)
        come_to_rest(world, restart=False)
    Operation.objects.exclude(state__in=["queued", "running"]).delete()
