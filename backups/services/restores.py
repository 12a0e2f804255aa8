"""Bringing a backup back."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services.audit import audit_record
from backups.errors import BackupNotFound, StatusConflict
from backups.models import Backup, BackupStatus, OperationKind
from backups.rules import Rules
from backups.selectors import backup_get
from backups.services.backups import raise_if_active
from backups.services.operations import operation_start
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.locks import row_lock
from common.states import compare_and_set
from orders.services.orders import order_lock

Mode = Literal["replace", "overlay"]


def backup_restore(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID,
    backup_id: UUID,
    mode: Mode,
    idempotency: IdempotencyKey | None,
) -> Backup:
    """Begin bringing a backup back onto its server and return it as `restoring`.

    mode `replace`: afterwards the data is as in the backup; `overlay`: files the backup does not have stay.
    Raises OrderNotFound, ProvisionNotFound, BackupNotFound, PermissionDenied, OrderSuspended, PlanHasNoBackups,
    NotAPrimaryDeployment, NoSidecar, OperationInProgress, StatusConflict when the backup is not ready.
    """

    def find(found_id: UUID) -> Backup:
        return backup_get(user=user, order_id=order_id, provision_id=provision_id, backup_id=found_id)

    def make() -> Backup:
        backup = find(backup_id)
        try:
            return _restore(user=user, backup=backup, mode=mode, idempotency=idempotency)
        except IntegrityError:
            # The database had the last word: somebody was faster than our look.
            raise_if_active(order_id)
            raise

    return idempotent(idempotency, find=find, make=make)


def _restore(*, user: User, backup: Backup, mode: Mode, idempotency: IdempotencyKey | None) -> Backup:
    with transaction.atomic():
        order = order_lock(backup.order_id)
        current = row_lock(Backup.objects.filter(id=backup.id, deleted_at__isnull=True))
        if current is None:
            raise BackupNotFound
        Rules(user=user, order=order).restore_require(current, backup.provision)
        ready = Backup.objects.filter(id=backup.id, status=BackupStatus.READY, deleted_at__isnull=True)
        if not compare_and_set(ready, status=BackupStatus.RESTORING):
            raise StatusConflict(status=current.get_status_display())
        operation = operation_start(
            order=order, kind=OperationKind.RESTORE, backup=current, requested_by=user, mode=mode
        )
        idempotency_store(idempotency, object_id=backup.id)
        audit_record(
            actor=user,
            action="backup.restore",
            order_id=order.id,
            object_id=backup.id,
            operation=str(operation.id),
            mode=mode,
        )
    return Backup.objects.select_related("asset", "operation").get(id=backup.id)
