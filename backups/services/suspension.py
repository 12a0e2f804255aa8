"""The end of a suspension that was not lifted: warnings, then the removal of the order's backups."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.services.audit import audit_record
from backups.models import Backup, BackupStatus
from backups.services.deletion import deletion_start
from common.clock import database_now
from common.errors import ApplicationError
from orders.models import Order
from orders.services.orders import order_delete, order_lock
from orders.services.suspension import (
    DAY,
    WARNED_DAYS,
    SuspensionStage,
    SuspensionStep,
    order_warn,
    removal_date,
    removal_is_due,
    suspension_tell,
    warning_due,
)

log = logging.getLogger(__name__)

ORDERS_A_RUN = 500
LOCKED_NAMED = 20
"""So many locked backups are named by a warning."""


def suspensions_advance() -> int:
    """Warn the customers of suspended orders, and remove what is due, by the database's clock. Return the number of
    backups whose removal began.
    """
    now = database_now()
    _dates_set(now)
    # An order that has nothing left would otherwise take the place of one that has, for ever.
    left = Q(terminates=True) | Exists(Backup.objects.filter(order=OuterRef("pk"), deleted_at__isnull=True))
    due = Order.objects.filter(left, suspended_at__lte=now, removal_at__lte=now + WARNED_DAYS[-1] * DAY)
    ids = list(due.order_by("removal_at").values_list("id", flat=True)[:ORDERS_A_RUN])
    return sum(_advance(order_id) for order_id in ids)


def _dates_set(now: datetime) -> None:
    """Give a date to orders that were suspended before there were dates."""
    undated = Order.objects.filter(suspended_at__lte=now, removal_at__isnull=True)
    for order_id in undated.values_list("id", flat=True)[:ORDERS_A_RUN]:
        with transaction.atomic():
            order = order_lock(order_id)
            if order.suspended_at is not None and order.removal_at is None:
                order.removal_at = removal_date(order, now)
                order.save(update_fields=["removal_at"])


def _advance(order_id: UUID) -> int:
    try:
        with transaction.atomic():
            order = order_lock(order_id)
            now = database_now()
            backups = Backup.objects.filter(order=order, deleted_at__isnull=True)
            # Somebody may have lifted the suspension since the list was read.
            if order.suspended_at is None or not (order.terminates or backups.exists()):
                return 0
            if (days := warning_due(order, now)) is not None:
                locked = backups.filter(locked=True).order_by("-created_at").values_list("name", flat=True)
                order_warn(order, days=days, now=now, backups=backups.count(), locked=tuple(locked[:LOCKED_NAMED]))
                return 0
            if not removal_is_due(order, now):
                return 0
            removed = _remove(order, backups)
        if order.terminates and not Backup.objects.filter(order=order).exists():
            order_delete(order=order, actor=None)
    except ApplicationError as error:
        # An operation that is still running, or an order that was deleted just now; a later run looks again.
        log.warning("suspended order %s: %s", order_id, error.code)
        return 0
    return removed


def _remove(order: Order, backups: QuerySet[Backup]) -> int:
    """Start the deletion of every backup, locked ones too; those of running work are left to a later run."""
    ready = backups.filter(status__in=[BackupStatus.READY, BackupStatus.FAILED])
    found = list(ready.select_related("provision").select_for_update(of=("self",)))
    for backup in found:
        deletion_start(order=order, backup=backup, user=None, action="backup.remove")
    if found:
        audit_record(actor=None, action="order.remove_backups", order_id=order.id, backups=len(found))
        step = SuspensionStep(
            order=order, stage=SuspensionStage.REMOVED, removal_at=order.removal_at, backups=len(found)
        )
        suspension_tell(step)
    return len(found)
