"""Verifications of one backup, on request."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.errors import BackupNotFound, OperationInProgress
from backups.models import Backup, Depth
from backups.rules import Rules
from backups.selectors import backup_get
from backups.services.roles import backup_work_start
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.locks import row_lock
from operations.models import LIVE_STATES, Operation
from operations.selectors import operation_get
from orders.models import Order
from orders.services.orders import order_lock


def backup_verify(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID,
    backup_id: UUID,
    depth: Depth,
    idempotency: IdempotencyKey | None,
) -> Operation:
    """Start the verification of a backup; its result is stored on the backup.

    Raises OrderNotFound, ProvisionNotFound, BackupNotFound, PermissionDenied, OrderSuspended, StatusConflict unless
    there is something to verify, and OperationInProgress while the backup is being verified.
    """

    def make() -> Operation:
        backup = backup_get(user=user, order_id=order_id, provision_id=provision_id, backup_id=backup_id)
        with transaction.atomic():
            order = order_lock(backup.order_id)
            current = row_lock(Backup.objects.filter(id=backup.id, deleted_at__isnull=True))
            if current is None:
                raise BackupNotFound
            Rules(user=user, order=order).verify_require(current)
            operation = verification_start(order=order, backup=current, depth=depth, user=user)
            idempotency_store(idempotency, object_id=operation.id)
        return operation

    return idempotent(
        idempotency, find=lambda operation_id: operation_get(user=user, operation_id=operation_id), make=make
    )


def verification_start(*, order: Order, backup: Backup, depth: Depth, user: User | None) -> Operation:
    """Start a verification under the order's lock; `user` is None for the product itself.

    Raises OperationInProgress while the backup is being verified.
    """
    live = Operation.objects.filter(kind=kinds.VERIFY.name, state__in=LIVE_STATES, roles__backup=backup).first()
    if live is not None:
        raise OperationInProgress(operation=str(live.id))
    operation = backup_work_start(order=order, kind=kinds.VERIFY, backup=backup, requested_by=user, depth=depth.value)
    audit_record(
        actor=user, action="backup.verify", order_id=order.id, object_id=backup.id, depth=depth.value,
        operation=str(operation.id),
    )  # fmt: skip
    return operation
