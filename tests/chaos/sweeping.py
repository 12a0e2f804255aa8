"""Fail every call of a whole create, restore, delete and prune in turn; the order stays usable each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from backups.services.backups import backup_create, backup_delete
from operations.models import Operation
from orders.models import BackupFormat, Plan
from tests.chaos.edits import tree_edit
from tests.chaos.faults import FAILURES, PLACES, Fault, kinds_of
from tests.chaos.invariants import Violated, backups_check, check, secrets_check
from tests.chaos.playing import GRACE, come_to_rest, storage_settle
from tests.chaos.pruning import prune_work, verify_work
from tests.chaos.snapshots import prune_once, repository_check
from tests.chaos.steps import restore_ask
from tests.chaos.user import as_user
from tests.chaos.working import work
from tests.chaos.world import World

Faults = Mapping[str, Sequence[tuple[str, str]]]
"""The ways in which the calls fail: edge and kind, by the format of the backups."""

_ANY = [
    *((edge, kind) for edge in ("storage", "wire", "database") for kind in ("once", "forever", "reply_lost", "die")),
    *((edge, kind) for edge in ("storage", "wire", "database") for kind in ("die_after", "overtaken")),
    ("storage", "full"), ("storage", "pause"), ("wire", "pause"), ("storage", "cancel"), ("wire", "cancel"),
    ("wire", "sidecar_killed"),
]  # fmt: skip
SHORT = {
    BackupFormat.ARCHIVE: [("storage", "once"), ("wire", "reply_lost")],
    BackupFormat.REPOSITORY: [("storage", "reply_lost"), ("wire", "once")],
}
LONG = {
    BackupFormat.ARCHIVE: _ANY,
    BackupFormat.REPOSITORY: [
        *_ANY, ("wire", "sidecar_stalled"), ("storage", "pruned"), ("storage", "pruned_days"), ("wire", "pruned_days"),
        ("storage", "backup"),
    ],
}  # fmt: skip
SHORT_NEXT: dict[str, Callable[[int], int]] = {
    BackupFormat.ARCHIVE: lambda at: at + 2, BackupFormat.REPOSITORY: lambda at: at * 4,
}  # fmt: skip
"""The next call to fail in the short form: a snapshot's jobs have many. No call of its prunes does."""
FEWEST_CALLS = 2
"""A job with fewer calls of an edge was not swept at all, unless it has none."""


def sweep(world: World, *, short: bool) -> dict[str, int]:
    """Fail every call of every job in each way, or some in the short form; returns the number of calls.

    Raises Violated.
    """
    swept: dict[str, int] = {}
    faults: Faults = SHORT if short else LONG
    for format_, ways in faults.items():
        following = SHORT_NEXT[format_] if short else lambda at: at + 1
        Plan.objects.update(backup_format=format_)
        _all_delete(world)
        for name, (begin, act) in JOBS.items():
            for edge, kind in ways:
                if not _is_possible(name, format_, edge, kind) or (short and name in ("prune", "verify")):
                    continue
                count = _calls_fail(world, begin, act, Fault(edge, kind, 1), following=following)
                if count < FEWEST_CALLS:
                    raise Violated(f"{format_} {name}: only {count} calls of the {edge} could be made to fail")
                swept[f"{format_} {name}, {edge}: {kind}"] = count
    storage_settle(world)
    repository_check(world)
    secrets_check(world)
    return swept


def points_sweep(world: World) -> None:
    """Cause every fault at every named call of a snapshot's jobs. Raises Violated, also for one that does not occur."""
    Plan.objects.update(backup_format=BackupFormat.REPOSITORY)
    for name, places in PLACES.items():
        for edge, place in places:
            for kind in kinds_of(edge):
                fired = _fired(JOBS[name][1], edge, kind)
                before = world.happened[fired]
                with as_user():  # so that there is something to store, and to restore
                    path = world.root / f"{name} {place} {kind}"
                    path.write_bytes(Random(path.name).randbytes(5000))  # noqa: S311 - must be repeatable
                _once(world, *JOBS[name], Fault(edge, kind, 1, place))
                if world.happened[fired] == before:
                    raise Violated(f"{name}: {place}: {kind} never fired")
    storage_settle(world)
    repository_check(world)
    secrets_check(world)


def _once(
    world: World, begin: Callable[[World, Random], None], act: Callable[[World, Fault], object], fault: Fault
) -> None:
    begin(world, Random(fault.at))  # noqa: S311 - must be repeatable
    world.steps.append(f"{begin.__name__}, {fault}")
    act(world, fault)
    check(world)
    come_to_rest(world, restart=False)
    backups_check(world)
    _room_make(world)


def _is_possible(name: str, format_: str, edge: str, kind: str) -> bool:
    if name == "verify":
        return format_ == BackupFormat.REPOSITORY and edge in ("storage", "database") and kind in FAILURES
    if name == "prune":
        return format_ == BackupFormat.REPOSITORY and edge == "storage" and kind in OF_PRUNES
    return (name, edge) != ("delete", "wire") and kind != "backup"


def _calls_fail(
    world: World,
    begin: Callable[[World, Random], None],
    act: Callable[[World, Fault], object],
    way: Fault,
    *,
    following: Callable[[int], int],
) -> int:
    at, count, fired = 1, 0, _fired(act, way.edge, way.kind)
    while True:
        before = world.happened[fired]
        _once(world, begin, act, replace(way, at=at))
        if world.happened[fired] == before:
            return count
        at, count = following(at), count + 1


def _fired(act: Callable[[World, Fault], object], edge: str, kind: str) -> str:
    """The name under which a fault in a job is counted."""
    return f"{'prune' if act is prune_work else edge}: {kind}"


def _work(world: World, fault: Fault) -> None:
    for operation in world.live():
        work(world, operation.id, fault)


def _create(world: World, rng: Random) -> None:
    tree_edit(world.root, rng)
    _backup_ask(world)


def _restore(world: World, rng: Random) -> None:
    _ready_have(world)
    for _ in range(4):
        tree_edit(world.root, rng)
    restore_ask(world, next(backup for backup in world.backups() if backup.status == "ready"))


def _delete(world: World, _rng: Random) -> None:
    _ready_have(world)
    _delete_ask(world)


def _prune(world: World, rng: Random) -> None:
    """Have packs that were condemned a grace ago, and others of which nothing is used."""
    _packs_free(world, rng)
    prune_once(world)
    world.clock.offset += GRACE
    _packs_free(world, rng)


def _packs_free(world: World, rng: Random) -> None:
    """Have packs of which nothing is used."""
    for _ in range(3):
        tree_edit(world.root, rng)
    _backup_ask(world)
    come_to_rest(world, restart=False)
    _room_make(world)


def _verify(world: World, _rng: Random) -> None:
    _ready_have(world)


OF_PRUNES = ("once", "forever", "reply_lost", "full", "die", "die_after", "pruned", "backup")
JOBS = {
    "create": (_create, _work), "restore": (_restore, _work), "delete": (_delete, _work),
    "prune": (_prune, prune_work), "verify": (_verify, verify_work),
}  # fmt: skip


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
    _backups_delete(world, keep=1)


def _all_delete(world: World) -> None:
    """No backup of another format is left to be restored."""
    _backups_delete(world, keep=0)


def _backups_delete(world: World, *, keep: int) -> None:
    while len(world.backups()) > keep:
        _delete_ask(world)
        come_to_rest(world, restart=False)
    Operation.objects.exclude(state__in=["queued", "running"]).delete()
