"""One run: steps with faults; then everything is repaired, the order must be usable, and all invariants kept."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from backups.models import Backup, BackupStatus
from backups.services.backups import backup_create, backup_delete, backup_update
from operations.models import Operation
from operations.services.chores import chores_run
from tests.chaos.conditions import close_lift, immutable_lift
from tests.chaos.invariants import (
    Violated,
    backups_check,
    check,
    nothing_left_check,
    restores_settle,
    secrets_check,
    storage_check,
)
from tests.chaos.snapshots import damaged_delete, repository_check, repository_settle
from tests.chaos.steps import step_take
from tests.chaos.working import lost_notice, work
from tests.chaos.world import World

STEPS = 20
ROUNDS = 8
ROUND = timedelta(minutes=70)
"""Longer than any wait of an operation for its next attempt."""
GRACE = timedelta(hours=25)


def run_play(world: World, seed: int) -> None:
    """Take the steps of a seed. Raises Violated, Hangs, or any error that escapes from the product."""
    for number in range(STEPS):
        step_take(world, Random(f"{seed}.{number}"))  # noqa: S311 - must be repeatable
        check(world)
    come_to_rest(world)
    backups_check(world)
    world.steps.append(f"rights: {close_lift(world)}, unmounted {world.unmount()}")
    usable_require(world)
    storage_settle(world)
    backups_check(world)
    repository_check(world)
    nothing_left_check(world)
    secrets_check(world)


def storage_settle(world: World) -> None:
    """Sweep and prune, let the grace pass, do it again: only needed objects are left. Raises Violated."""
    damaged_delete(world)
    for _ in range(2):
        chores_run()
        world.expired_note()
        for operation in world.live():
            work(world, operation.id)
        world.clock.offset += GRACE
    chores_run()
    world.expired_note()
    come_to_rest(world, restart=False)
    storage_check(world)
    repository_settle(world, grace=GRACE)


def come_to_rest(world: World, *, restart: bool = True) -> None:
    """Repair everything, then let workers and time finish. Raises Violated when an operation does not end."""
    world.steps.append("everything is back")
    if restart:
        world.sidecar.stop()
    world.sidecar_ensure()
    for _ in range(ROUNDS):
        for operation in world.live():
            lost_notice(operation.id)
            work(world, operation.id)
        restores_settle(world)
        check(world)
        if not world.live():
            immutable_lift(world)
            return
        world.clock.offset += ROUND
    raise Violated(f"not usable: {[(row.kind, row.state) for row in world.live()]}")


def usable_require(world: World) -> None:
    """Check that a backup can be made, and that the latest one can be restored."""
    while len([backup for backup in world.backups() if not backup.is_safety]) >= 4:
        oldest = next(backup for backup in world.backups() if not backup.is_safety)
        backup_update(user=world.user, backup=oldest, locked=False)
        backup_delete(user=world.user, backup=oldest)
        world.removed.add(oldest.id)
        _worked(world)
    backup = backup_create(
        user=world.user, order_id=world.order.id, provision_id=world.server.id, name=None, idempotency=None
    )
    _worked(world)
    if Backup.objects.get(id=backup.id).status != BackupStatus.READY:
        raise Violated("not usable: a backup failed although everything is back")
    check(world)


def _worked(world: World) -> None:
    for operation in world.live():
        world.steps.append(f"work on {operation.kind}")
        work(world, operation.id)
        world.steps[-1] += f": {Operation.objects.get(id=operation.id).state}"
