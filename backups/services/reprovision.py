"""Reprovisioning and deletion of an order, which exclude every backup operation."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.models import Backup
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from operations.models import Operation
from operations.selectors import operation_active, operation_get
from operations.services.operations import hold_start
from operations.services.tallies import operations_tally
from orders.errors import BackupInProgress
from orders.models import Order
from orders.rights import OrderRight, order_change_require, right_require
from orders.selectors import order_get
from orders.services.orders import order_lock
from vault.models import Asset, StoredObject

HOLD = timedelta(minutes=30)
"""How long a reprovision may hold its order; cancelling the operation releases it earlier."""


def order_reprovision(*, user: User, order_id: UUID, idempotency: IdempotencyKey | None) -> Operation:
    """Take the order for a reprovision: until it is released or expires no backup operation can start.

    Raises OrderNotFound, PermissionDenied, and BackupInProgress while an operation is active.
    """
    return idempotent(
        idempotency,
        find=lambda operation_id: operation_get(user=user, operation_id=operation_id),
        make=lambda: _reprovision(user=user, order_id=order_id, idempotency=idempotency),
    )


def _reprovision(*, user: User, order_id: UUID, idempotency: IdempotencyKey | None) -> Operation:
    order = order_get(user=user, order_id=order_id)
    right_require(user, order, OrderRight.RESTORE)
    order_change_require(user, order)
    try:
        with transaction.atomic():
            order = order_lock(order_id)
            order_not_busy(order)
            operation = hold_start(order=order, kind=kinds.REPROVISION, requested_by=user, lasts=HOLD)
            idempotency_store(idempotency, object_id=operation.id)
            audit_record(actor=user, action="order.reprovision", order_id=order.id, object_id=operation.id)
    except IntegrityError:
        # The database refused: another request was faster than our check.
        if idempotency is None or operation_active(Order(id=order_id)) is not None:
            raise BackupInProgress from None
        raise
    return operation


def order_not_busy(order: Order) -> None:
    """Raise BackupInProgress while an exclusive operation is active. Call it under the order's lock."""
    if operation_active(order) is not None:
        raise BackupInProgress


def order_backups_release(order: Order) -> None:
    """Delete the backups of an order that is being deleted; the sweep deletes their objects in storage."""
    operations_tally(order)
    backup_ids = list(Backup.objects.filter(order=order).values_list("id", flat=True))
    asset_ids = list(Backup.objects.filter(order=order, asset__isnull=False).values_list("asset_id", flat=True))
    StoredObject.objects.filter(backup_id__in=backup_ids, condemned_at__isnull=True).update(condemned_at=timezone.now())
    Backup.objects.filter(order=order).delete()
    Asset.objects.filter(id__in=asset_ids).delete()
