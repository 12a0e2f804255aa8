"""Events of backups: each end of an operation, and what it means for whoever is to be told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

from backups import kinds
from backups.models import Backup, BackupStatus, OperationRole
from backups.selectors import backups_counted
from backups.services.roles import operation_order, operation_source
from backups.services.targets import order_target
from backups.usage import order_used
from common.errors import ApplicationError
from notices.kinds import EventKind
from notices.models import Signal
from notices.services.events import StoredError, event_record, failures_in_a_row, heartbeat_signal
from operations.models import Operation, OperationState
from orders.models import ByteMeasure, Order
from provisions.models import Provision
from vault.errors import StorageUnavailableError
from vault.models import StorageTarget
from vault.services.unreachable import target_unreachable

FAILING_FROM, FAILING_EVERY = 3, 10
"""So many failures in a row are told as such, and again after so many more."""
NEAR_PERCENT = (80, 100)


def operation_told(operation: Operation) -> None:
    """Record the events of an operation that ends, in the transaction that ends it."""
    told = _TOLD.get(operation.kind)
    if told is not None and operation.order_id is not None:
        told(operation, operation_order(operation))


def create_begins(operation: Operation, backup: Backup) -> None:
    """Signal the heartbeats of a backup that it begins; a later attempt signals nothing."""
    if operation.attempts <= 1:
        heartbeat_signal(order=operation_order(operation), signal=Signal.START, schedule_id=backup.schedule_id)


def create_refused_told(
    *, order: Order, provision: Provision, schedule_id: UUID, name: str, error: ApplicationError
) -> None:
    """Record that a backup which a schedule asked for could not even begin, in the transaction that ends its run."""
    heartbeat_signal(order=order, signal=Signal.FAILURE, schedule_id=schedule_id)
    told: dict[str, str | int] = {"name": name, "server": provision.name}
    record = partial(event_record, order=order, provision_id=provision.id, schedule_id=schedule_id)
    record(kind=EventKind.BACKUP_FAILED, params=told, error=StoredError(error.code, error.params))
    if count := _failing(order, provision.id):
        record(kind=EventKind.BACKUP_FAILING, params={**told, "count": count})


def _failing(order: Order, provision_id: UUID) -> int:
    """The number of failures in a row where it is to be told, else 0."""
    count = failures_in_a_row(order=order, provision_id=provision_id)
    return count if count >= FAILING_FROM and (count - FAILING_FROM) % FAILING_EVERY == 0 else 0


def deletion_told(backup: Backup, order: Order) -> None:
    """Record that a backup left the list, in the transaction that marks it for deletion."""
    _record(EventKind.BACKUP_DELETED, backup, order)


def _create_told(operation: Operation, order: Order) -> None:
    backup = _subject(operation)
    schedule = backup.schedule_id if backup else _asked_by(operation)
    ended_well = operation.state == OperationState.SUCCEEDED
    heartbeat_signal(order=order, signal=Signal.SUCCESS if ended_well else Signal.FAILURE, schedule_id=schedule)
    if backup is None:
        return
    if operation.state == OperationState.FAILED:
        _failed(EventKind.BACKUP_FAILED, operation, backup, order)
        if count := _failing(order, backup.provision_id):
            _record(EventKind.BACKUP_FAILING, backup, order, count=count)
    elif ended_well and backup.status == BackupStatus.READY:
        recovered = failures_in_a_row(order=order, provision_id=backup.provision_id) > 0
        _record(EventKind.BACKUP_READY, backup, order, size_bytes=backup.size_bytes or 0)
        if backup.warnings_total:
            _record(EventKind.BACKUP_WARNINGS, backup, order, count=backup.warnings_total)
        if recovered:
            _record(EventKind.BACKUP_RECOVERED, backup, order)
        _limits_told(backup, order)


def _restore_told(operation: Operation, order: Order) -> None:
    backup = _subject(operation)
    if backup is None or operation.state == OperationState.CANCELLED:
        return
    if operation.state == OperationState.FAILED:
        _failed(EventKind.RESTORE_FAILED, operation, backup, order)
        return
    undone = operation.kind == kinds.UNDO.name
    _record(EventKind.RESTORE_UNDONE if undone else EventKind.RESTORE_SUCCEEDED, backup, order)


_TOLD: dict[str, Callable[[Operation, Order], None]] = {
    kinds.CREATE.name: _create_told,
    kinds.RESTORE.name: _restore_told,
    kinds.UNDO.name: _restore_told,
}


def _failed(kind: EventKind, operation: Operation, backup: Backup, order: Order) -> None:
    _record(kind, backup, order, failed=operation)
    if operation.error_code == StorageUnavailableError.code and (target := _target(operation)) is not None:
        target_unreachable(target, order=order)


def _record(
    kind: EventKind, backup: Backup, order: Order, *, failed: Operation | None = None, **params: str | int
) -> None:
    event_record(
        kind=kind,
        order=order,
        subject_id=backup.id,
        provision_id=backup.provision_id,
        schedule_id=backup.schedule_id,
        params={"name": backup.name, "server": backup.provision.name, **params},
        error=StoredError(failed.error_code, failed.error_params) if failed else None,
    )


def _limits_told(backup: Backup, order: Order) -> None:
    """Tell that the plan is nearly used up, when this backup is the one that passed a mark.

    The number does not matter to a schedule, which makes room by itself.
    """
    plan = order.plan
    if backup.schedule_id is None:
        count = backups_counted(backup.provision)
        if passed := _mark_passed(count - 1, count, plan.backup_limit):
            _record(EventKind.LIMIT_NEAR, backup, order, percent=passed, used=count, limit=plan.backup_limit)
    if plan.byte_limit:
        used = order_used(order).counted(plan.byte_measure)
        logical = backup.content_bytes if backup.content_bytes is not None else backup.size_bytes
        own = (backup.added_bytes if plan.byte_measure == ByteMeasure.STORED else logical) or 0
        if passed := _mark_passed(used - own, used, plan.byte_limit):
            _record(EventKind.LIMIT_NEAR, backup, order, percent=passed, used_bytes=used, limit_bytes=plan.byte_limit)


def _mark_passed(before: int, after: int, limit: int) -> int | None:
    """The highest mark in percent that lies between two uses of a limit."""
    passed = [mark for mark in NEAR_PERCENT if before * 100 < mark * limit <= after * 100]
    return max(passed, default=None)


def _subject(operation: Operation) -> Backup | None:
    rows = Backup.objects.filter(roles__operation=operation, roles__role=OperationRole.SUBJECT)
    return rows.select_related("provision").first()


def _asked_by(operation: Operation) -> UUID | None:
    """The schedule of a run that ended without a backup, because nothing had changed."""
    schedule = operation.params.get("schedule")
    return UUID(schedule) if isinstance(schedule, str) else None


def _target(operation: Operation) -> StorageTarget | None:
    """The target that an operation needed: of the backup that it read, or the default of new ones."""
    if operation.kind == kinds.CREATE.name:
        return order_target(operation_order(operation))
    asset = operation_source(operation).asset
    return StorageTarget.objects.filter(id=asset.target_id).defer("secrets").first() if asset else None
