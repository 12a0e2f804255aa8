"""A worker's run with events in its middle, and the reactions of a supervisor and a customer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from backups import kinds
from backups.models import Backup, OperationBackup, OperationRole
from backups.services.backups import backup_create
from common.errors import ApplicationError
from common.paths import path_text
from operations.models import Operation, OperationState
from operations.services.operations import operation_cancel
from operations.supervision.expired_leases import CANCEL_SECONDS, CancelJudge, operation_lost
from operations.work.run import operation_claim
from orders.models import BackupFormat, Plan
from tests.chaos.contents import content_read, is_snapshot, left_out
from tests.chaos.faults import Fault
from tests.chaos.invariants import Violated, restores_settle
from tests.chaos.processes import worker_run
from tests.chaos.snapshots import prune_once
from tests.chaos.trees import CLOSED, LISTED, VANISHED, Tree, frozen_paths, mixture_check, tree_read, tree_stored
from tests.chaos.world import World
from tests.processes.waiting import wait_until

PRUNES_OF_DAYS = 4
PRUNE_EVERY = timedelta(hours=25)
"""After so many prunes a writer that stood still is taken for dead, and what it did not name is deleted."""
RACE_SECONDS = 10.0
"""The time in which a supervisor must notice a standing heartbeat, which the thread of a blocked worker may move."""


def work(world: World, operation: UUID, fault: Fault | None = None, *, captured: Tree | None = None) -> None:
    """Take the task of an operation with a fault in the worker, and note the backups that became ready.

    captured: the live tree at the start of an earlier worker that still stands: its backups are of that tree.
    Raises Violated and Hangs.
    """
    began_with = tree_read(world.root) if captured is None else captured

    def act(word: str) -> None:
        if word.startswith("fault"):
            assert fault is not None
            if fault.kind != "forever" or word not in told:
                world.fired(fault.edge, fault.kind, word, during=during)
            told.add(word)
        else:
            _event(world, operation, word, began_with)

    told: set[str] = set()
    during = _during(operation)
    undisturbed = fault is None and _is_undisturbed(world, operation)
    try:
        code = worker_run(operation, fault, log=world.log, act=act)
    finally:
        world.sidecar.stall(on=False)
    _ended_rightly(code, fault)
    if fault is not None and fault.kind == "overtaken":
        _still_others(world, operation)
    lost_notice(operation)
    _own_code(operation, fault)
    if undisturbed:
        _done_require(operation)
    _count(world, operation, during)
    backups_note(world, operation, began_with)
    restores_settle(world)


def backups_note(world: World, operation: UUID, captured: Tree) -> None:
    """Remember the tree of each backup that an operation made ready. Raises Violated for another operation's backup."""
    for backup in world.usable() - world.trees.keys():
        if not OperationBackup.objects.filter(operation=operation, backup=backup).exists():
            raise Violated(f"I3: backup {backup} became ready while {operation} was worked on")
        world.trees[backup] = _captured(world, operation, backup, captured)


def _captured(world: World, operation: UUID, backup: UUID, before: Tree) -> Tree:
    """The tree in a backup: the live one or, if that changed meanwhile, entries of before and after."""
    after = tree_read(world.root)
    if after == before or Operation.objects.get(id=operation).kind != kinds.CREATE.name:
        return before
    row, found = Backup.objects.get(id=backup), content_read(backup, folder=world.folder)
    told = {item["path"] for item in row.warnings if item["kind"] == "changed"}
    steady = {path: entry for path, entry in found.items() if told.isdisjoint({path_text(path), path_text(entry.twin)})}
    if wrong := mixture_check(steady, before, after, xattrs=is_snapshot(row)):
        raise Violated(f"I1: backup {backup} holds what never was, {wrong}")
    said = left_out(row)
    unread = {path: before[path] for path in before.keys() - tree_stored(before).keys() if path in said | after.keys()}
    listed = {path: before[path] for path in found if path in before and before[path].bar == LISTED}
    return unread | _vanished(backup, said, before, after) | found | listed


def _vanished(backup: UUID, said: set[bytes], before: Tree, after: Tree) -> Tree:
    """Entries that vanished or were closed between scan and reading, as the backup reports; closed ones stay."""
    gone = {path: entry for path, entry in tree_stored(before).items() if path in said}
    # A snapshot has only the first of a file's names to read it by, and not what was put in its place meanwhile.
    readable = tree_stored(after)
    lost = {entry.twin for path, entry in gone.items() if path not in readable}
    shared = {
        path: replace(entry, bar=CLOSED)
        for path, entry in gone.items()
        if path in readable and (entry.twin in lost or entry != after[path])
    }
    gone = {path: entry for path, entry in gone.items() if path not in shared}
    if kept := gone.keys() & tree_stored(after).keys():
        raise Violated(f"I1: backup {backup} left out {sorted(kept)}, which could be read all the time")
    return shared | {path: after.get(path) or replace(entry, kind=VANISHED) for path, entry in gone.items()}


def lost_notice(operation: UUID) -> None:
    """Act as a supervisor for an operation whose worker is dead or stands still."""

    def gone() -> bool:
        row = Operation.objects.filter(id=operation, state=OperationState.RUNNING).first()
        return row is None or operation_lost(row)

    wait_until(gone, seconds=RACE_SECONDS, what="the lost worker is noticed")


def cancel(world: World, operation: UUID) -> None:
    """Act as a customer who cancels; it may be too late."""
    with suppress(ApplicationError):
        operation_cancel(user=world.user, operation=Operation.objects.get(id=operation))


def _event(world: World, operation: UUID, word: str, captured: Tree) -> None:
    """Carry out a fault's event while its worker stands still."""
    if word == "pause":
        # The next attempt makes a safety backup of its own, and no longer names that of this one.
        backups_note(world, operation, captured)
        lost_notice(operation)
        work(world, operation, captured=captured)
    elif word == "overtaken":
        lost_notice(operation)
        claimed = operation_claim(operation)
        if claimed is not None:
            world.overtaken[operation] = claimed.fence
    elif word == "second_bell":
        _second_bell(world, operation)
    elif word in ("cancel", "cancel_overdue"):
        cancel(world, operation)
        if word == "cancel_overdue":
            _cancel_enforce()
    elif word == "backup":
        _backup_make(world)
    else:
        _elsewhere(world, word)


def _backup_make(world: World) -> None:
    """Make a snapshot while a prune stands still."""
    Plan.objects.update(backup_format=BackupFormat.REPOSITORY)
    with suppress(ApplicationError):
        backup_create(
            user=world.user, order_id=world.order.id, provision_id=world.server.id, name=None, idempotency=None
        )
    world.sidecar_ensure()
    for operation in world.live():
        if operation.kind != kinds.PRUNE.name:
            work(world, operation.id)


def _elsewhere(world: World, word: str) -> None:
    """Carry out what happens to repository or sidecar."""
    if word.startswith("pruned"):
        for _ in range(PRUNES_OF_DAYS if word == "pruned_days" else 1):
            prune_once(world)
            world.clock.offset += PRUNE_EVERY if word == "pruned_days" else timedelta()
        return
    if word == "sidecar_stalled":
        world.sidecar.stall(on=True)
        return
    world.sidecar.kill()
    if word == "sidecar_killed":
        world.sidecar_ensure()


def _still_others(world: World, operation: UUID) -> None:
    """R7: a late worker has neither ended nor released an operation that another worker has claimed."""
    fence = world.overtaken.pop(operation, None)
    row = Operation.objects.get(id=operation)
    if fence is not None and (row.state, row.fence) != (OperationState.RUNNING, fence):
        raise Violated(f"R7: a late worker made {operation} {row.state}")


def _cancel_enforce() -> None:
    now = 0.0
    judge = CancelJudge(monotonic=lambda: now)
    judge.enforce()
    now += CANCEL_SECONDS
    judge.enforce()


def _second_bell(world: World, operation: UUID) -> None:
    before = Operation.objects.values("fence", "attempts", "state").get(id=operation)
    if before["state"] == OperationState.QUEUED:
        return
    worker_run(operation, None, log=world.log, act=lambda _: None)
    if Operation.objects.values("fence", "attempts", "state").get(id=operation) != before:
        raise Violated(f"R6: a second task changed {operation}")


def _ended_rightly(code: int, fault: Fault | None) -> None:
    killed = fault is not None and fault.kind.startswith("die")
    lost = fault is not None and fault.edge == "database"
    if code and not killed and not lost:
        raise Violated(f"a worker ended with {code}")


def _own_code(operation: UUID, fault: Fault | None) -> None:
    """Check that an expected failure has its own error code."""
    row = Operation.objects.filter(id=operation, state=OperationState.FAILED).first()
    if row is not None and row.error_code == ApplicationError.code and (fault is None or fault.edge != "database"):
        raise Violated(f"{row.kind} failed without a code of its own")


def _is_undisturbed(world: World, operation: UUID) -> bool:
    """Whether nothing can prevent an operation's success; files that the sidecar cannot read do not."""
    row = Operation.objects.filter(id=operation, attempts=0, state=OperationState.QUEUED, not_before=None).first()
    if row is None or row.kind not in (kinds.CREATE.name, kinds.RESTORE.name, kinds.UNDO.name):
        return False
    if row.cancel_requested_at is not None or not world.keys_right or world.immutable or frozen_paths(world.root):
        return False
    whole = row.kind == kinds.CREATE.name or source_of(row).id not in world.damaged
    return whole and world.storage.exists() and world.sidecar.alive and world.sidecar.fault is None


def _done_require(operation: UUID) -> None:
    row = Operation.objects.get(id=operation)
    if row.state != OperationState.SUCCEEDED:
        raise Violated(f"{row.kind} {row.state} {row.error_code} {row.error_params}, and nothing was in its way")


def _during(operation: UUID) -> str:
    """Format and kind of an operation."""
    row = Operation.objects.get(id=operation)
    subject = subject_of(row)
    return f"{subject.format if subject is not None else BackupFormat.REPOSITORY} {row.kind}"


def _count(world: World, operation: UUID, during: str) -> None:
    """Count an operation that has ended."""
    row = Operation.objects.filter(id=operation, finished_at__isnull=False).first()
    if row is not None:
        backup_format, _, work_kind = during.partition(" ")
        world.tally.operations[backup_format][f"{work_kind}: {row.state}"] += 1


def source_of(operation: Operation) -> Backup:
    """The backup whose files an operation restores."""
    source = OperationBackup.objects.filter(operation=operation, role=OperationRole.SOURCE).first()
    backup = source.backup if source is not None else subject_of(operation)
    assert backup is not None
    return backup


def subject_of(operation: Operation) -> Backup | None:
    """The backup of an operation; None when it is deleted."""
    return Backup.objects.filter(roles__operation=operation, roles__role=OperationRole.SUBJECT).first()
