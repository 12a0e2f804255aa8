"""Reads of backups, scoped to the caller."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from backups.errors import AssetNotFound, BackupNotFound, OperationNotFound
from backups.models import Asset, Backup, BackupStatus, Operation
from orders.rights import OrderRight, orders_visible, right_require
from provisions.models import Provision
from provisions.selectors import provision_get


def backups_of(*, user: User, order_id: UUID, provision_id: UUID) -> QuerySet[Backup]:
    """The backups of a server that are listed, in no order. Raises OrderNotFound, ProvisionNotFound."""
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    return Backup.objects.filter(provision=provision, deleted_at__isnull=True).select_related("asset", "operation")


def backup_get(*, user: User, order_id: UUID, provision_id: UUID, backup_id: UUID) -> Backup:
    """One listed backup. Raises OrderNotFound, ProvisionNotFound, BackupNotFound."""
    backup = backups_of(user=user, order_id=order_id, provision_id=provision_id).filter(id=backup_id).first()
    if backup is None:
        raise BackupNotFound
    return backup


def operation_get(*, user: User, operation_id: UUID) -> Operation:
    """One operation on an order the caller may see. Raises OperationNotFound."""
    operation = Operation.objects.filter(id=operation_id, order__in=orders_visible(user)).first()
    if operation is None:
        raise OperationNotFound
    return operation


def asset_get(*, user: User, asset_id: UUID) -> Asset:
    """The asset of a listed backup the caller may download. Raises AssetNotFound, PermissionDenied."""
    visible = Backup.objects.filter(asset_id=asset_id, deleted_at__isnull=True, order__in=orders_visible(user))
    backup = visible.select_related("asset__target", "asset__customer", "order__customer").first()
    if backup is None or backup.asset is None:
        raise AssetNotFound
    right_require(user, backup.order, OrderRight.DOWNLOAD)
    return backup.asset


def backups_counted(provision: Provision) -> int:
    """How many backups count towards the plan's limit: all but failed, safety and deleted ones."""
    listed = Backup.objects.filter(provision=provision, deleted_at__isnull=True, is_safety=False)
    return listed.exclude(status=BackupStatus.FAILED).count()
