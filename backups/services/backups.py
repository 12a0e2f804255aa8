"""What a customer does with backups: create, rename, lock, delete."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.audit import audit_record
from backups.errors import BackupLocked, BackupNotFound, LimitReached, OperationInProgress, StatusConflict
from backups.models import Backup, BackupStatus, OperationKind
from backups.selectors import backup_get, backups_counted
from backups.services.operations import operation_active, operation_none_active, operation_start
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.locks import row_lock
from common.states import compare_and_set
from orders.errors import PlanHasNoBackups
from orders.models import Order
from orders.rights import OrderRight, order_change_require, order_not_suspended, right_require
from orders.services.orders import order_lock
from provisions.selectors import provision_get, provision_sidecar


def backup_create(
    *, user: User, order_id: UUID, provision_id: UUID, name: str | None, idempotency: IdempotencyKey | None
) -> Backup:
    """Begin a backup of a server and return it as `creating`; the work runs in the background.

    Raises, in this order: OrderNotFound, ProvisionNotFound, PermissionDenied, OrderSuspended, PlanHasNoBackups,
    NotAPrimaryDeployment, NoSidecar, OperationInProgress, LimitReached; before all rules IdempotencyKeyReused.
    """
    return idempotent(
        idempotency,
        find=lambda backup_id: backup_get(user=user, order_id=order_id, provision_id=provision_id, backup_id=backup_id),
        make=lambda: _create(
            user=user, order_id=order_id, provision_id=provision_id, name=name, idempotency=idempotency
        ),
    )


def _create(
    *, user: User, order_id: UUID, provision_id: UUID, name: str | None, idempotency: IdempotencyKey | None
) -> Backup:
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    right_require(user, provision.order, OrderRight.CREATE)
    try:
        with transaction.atomic():
            order = order_lock(order_id)
            order_allows_backups(order)
            provision_sidecar(provision)
            operation_none_active(order)
            if backups_counted(provision) >= order.plan.backup_limit:
                raise LimitReached(limit=order.plan.backup_limit)
            backup = Backup.objects.create(order=order, provision=provision, name=name or default_name(user))
            operation = operation_start(order=order, kind=OperationKind.CREATE, backup=backup, requested_by=user)
            idempotency_store(idempotency, object_id=backup.id)
            audit_record(
                actor=user, action="backup.create", order_id=order.id, object_id=backup.id, operation=str(operation.id)
            )
    except IntegrityError:
        # The database had the last word: somebody was faster than our look.
        raise_if_active(order_id)
        raise
    return backup


def raise_if_active(order_id: UUID) -> None:
    """Raise OperationInProgress when an exclusive operation is active on the order."""
    order = Order.objects.filter(id=order_id).first()
    active = operation_active(order) if order else None
    if active is not None:
        raise OperationInProgress(operation=str(active.id))


def order_allows_backups(order: Order) -> None:
    """Raise OrderSuspended or PlanHasNoBackups when nothing new may be made for this order."""
    order_not_suspended(order)
    if not order.plan.has_backups:
        raise PlanHasNoBackups


def default_name(user: User) -> str:
    """“Backup” and the local date and time, in the language and time zone of whoever asked."""
    with translation.override(user.language or translation.get_language()):
        moment = date_format(timezone.localtime(timezone=_zone_of(user)), "Y-m-d H:i")
        return _("Backup %(moment)s") % {"moment": moment}


def _zone_of(user: User) -> ZoneInfo:
    try:
        return ZoneInfo(user.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A zone that this machine does not know must not keep anybody from a backup.
        return ZoneInfo("UTC")


def backup_update(*, user: User, backup: Backup, name: str | None = None, locked: bool | None = None) -> Backup:
    """Rename a backup, or lock it against deletion; None changes nothing. Raises PermissionDenied, BackupNotFound."""
    # Whoever may delete a backup decides what it is called and whether it stays; making new ones gives no say in that.
    right_require(user, backup.order, OrderRight.DELETE)
    order_change_require(user, backup.order)
    wanted = {"name": name, "locked": locked}
    values = {field: value for field, value in wanted.items() if value is not None}
    if values:
        with transaction.atomic():
            if not compare_and_set(Backup.objects.filter(id=backup.id, deleted_at__isnull=True), **values):
                raise BackupNotFound
            audit_record(actor=user, action="backup.update", order_id=backup.order_id, object_id=backup.id, **values)
    current = Backup.objects.select_related("asset", "operation").filter(id=backup.id).first()
    if current is None:
        raise BackupNotFound
    return current


def backup_delete(*, user: User, backup: Backup) -> None:
    """Take a backup off every list at once; a worker then removes manifest, object, asset and row, until it is done.

    Raises PermissionDenied, BackupNotFound, BackupLocked, and StatusConflict while it is created or restored.
    """
    right_require(user, backup.order, OrderRight.DELETE)
    order_change_require(user, backup.order)
    with transaction.atomic():
        order = order_lock(backup.order_id)
        current = row_lock(Backup.objects.filter(id=backup.id, deleted_at__isnull=True))
        if current is None:
            raise BackupNotFound
        if current.locked:
            raise BackupLocked
        if current.status in (BackupStatus.CREATING, BackupStatus.RESTORING):
            raise StatusConflict(status=current.get_status_display())
        compare_and_set(
            Backup.objects.filter(id=current.id, status=current.status, deleted_at__isnull=True),
            deleted_at=timezone.now(),
        )
        operation_start(order=order, kind=OperationKind.DELETE, backup=current, requested_by=user)
        audit_record(actor=user, action="backup.delete", order_id=order.id, object_id=current.id, name=current.name)
