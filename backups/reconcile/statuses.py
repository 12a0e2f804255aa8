"""I3: the status of a backup agrees with the operations on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.services.audit import audit_record
from backups import kinds
from backups.models import Backup, BackupStatus, Finding, Invariant, OperationBackup, OperationRole
from backups.reconcile.checks import SETTLED, Check, CheckScope, Unchecked, Violation, rows_of
from backups.reconcile.wording import Code
from backups.services.roles import backup_work_start
from common.clock import database_now
from common.locks import row_lock
from common.states import compare_and_set
from operations.models import LIVE_STATES, Operation
from orders.errors import OrderNotFound
from orders.services.orders import order_lock
from vault.services.sweep import objects_condemn


def alone_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I3: backups that wait for an operation which is not there."""
    for code, rows in ALONE.items():
        for backup in rows_of(rows(scope.now).filter(**scope.of("backup")).defer("warnings")):
            yield Violation(code=code, object_type="backup", object_id=backup.id)


def _idle(now: datetime) -> QuerySet[Backup]:
    """Backups of which no operation is live that may change them, nor ended a moment ago."""
    busy = Operation.objects.filter(
        Q(state__in=LIVE_STATES) | Q(finished_at__gt=now - SETTLED),
        roles__backup=OuterRef("pk"),
    )
    return Backup.objects.filter(~Exists(busy), created_at__lt=now - SETTLED)


def _creating(now: datetime) -> QuerySet[Backup]:
    return _idle(now).filter(status=BackupStatus.CREATING)


def _restoring(now: datetime) -> QuerySet[Backup]:
    return _idle(now).filter(status=BackupStatus.RESTORING)


def _deleted(now: datetime) -> QuerySet[Backup]:
    return _idle(now).filter(deleted_at__lt=now - SETTLED)


ALONE: dict[Code, Callable[[datetime], QuerySet[Backup]]] = {
    Code.CREATING_ALONE: _creating,
    Code.RESTORING_ALONE: _restoring,
    Code.DELETE_LOST: _deleted,
}


def alone_end(finding: Finding) -> bool:
    """Repair a backup that no operation works on, under the order's lock. Return whether it was still wrong."""
    backup = Backup.objects.filter(id=finding.object_id).only("order").first()
    if backup is None:
        return False
    try:
        with transaction.atomic():
            order = order_lock(backup.order_id)
            current = row_lock(ALONE[Code(finding.code)](database_now()).filter(id=backup.id))
            if current is None:
                return False
            if finding.code == Code.DELETE_LOST:
                backup_work_start(order=order, kind=kinds.DELETE, backup=current, requested_by=None)
            elif not _end(current):
                return False
            audit_record(
                actor=None, action=f"reconcile.{finding.code}", order_id=order.id, object_id=backup.id,
                status=current.status,
            )  # fmt: skip
    except OrderNotFound:
        return False
    return True


def _end(backup: Backup) -> bool:
    """Set the status that the failure of its operation would have left, see `operation_fail`."""
    same = Backup.objects.filter(id=backup.id, status=backup.status)
    if backup.status == BackupStatus.RESTORING:
        return compare_and_set(same, status=BackupStatus.READY)
    objects_condemn(backup_ids=[backup.id])
    if backup.is_safety:
        # It was never listed.
        return same.delete()[0] > 0
    return compare_and_set(same, status=BackupStatus.FAILED, completed_at=timezone.now())


def behind_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I3: operations at work on a backup whose status does not say so."""
    live = OperationBackup.objects.filter(operation__state__in=LIVE_STATES, role=OperationRole.SUBJECT)
    creates = Q(operation__kind=kinds.CREATE.name) & ~Q(backup__status=BackupStatus.CREATING)
    restores = Q(operation__kind__in=kinds.EXCHANGES) & ~Q(backup__status=BackupStatus.RESTORING)
    backup = {f"backup__{name}": value for name, value in scope.of("backup").items()}
    for role in rows_of(live.filter(creates | restores, **backup)):
        yield Violation(code=Code.STATUS_BEHIND, object_type="backup", object_id=role.backup_id)


CHECKS = (
    Check(
        invariant=Invariant.I3,
        codes=frozenset(ALONE),
        find=alone_find,
        repair=alone_end,
        unattended=True,
    ),
    Check(invariant=Invariant.I3, codes=frozenset({Code.STATUS_BEHIND}), find=behind_find),
)
