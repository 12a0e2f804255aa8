"""Reads of the bytes that backups have and take."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, Count, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from backups.models import Backup, BackupStatus, UsageSample
from orders.models import BackupFormat, ByteMeasure, Order

USABLE = Q(status__in=[BackupStatus.READY, BackupStatus.RESTORING], deleted_at__isnull=True)
LOGICAL = Coalesce("content_bytes", "size_bytes")
STORED = Coalesce("fair_bytes", "added_bytes", "asset__stored_bytes")
"""Before the first sample of a backup it is what it added."""
FREED = Coalesce("unique_bytes", Case(When(format=BackupFormat.ARCHIVE, then="asset__stored_bytes"), default=0))
"""The bytes that the deletion of one backup frees, as far as they are known."""
CHART_DAYS = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class UsedBytes:
    """Usable backups in numbers. The counted ones are those that count towards the limits: no safety backups."""

    backups: int = 0
    logical: int = 0
    stored: int = 0
    counted_logical: int = 0
    counted_stored: int = 0

    def counted(self, measure: str) -> int:
        """The bytes that count towards a limit of this measure."""
        return self.counted_stored if measure == ByteMeasure.STORED else self.counted_logical


def order_used(order: Order) -> UsedBytes:
    """The bytes of an order's backups."""
    return orders_used([order.id]).get(order.id, UsedBytes())


def orders_used(ids: Collection[UUID]) -> dict[UUID, UsedBytes]:
    """The bytes of the backups of some orders; an order without any is missing."""
    own = Q(is_safety=False)
    rows = (
        Backup.objects.filter(USABLE, order__in=ids)
        .order_by()
        .values("order")
        .annotate(
            count=Count("id"),
            logical=Sum(LOGICAL),
            stored=Sum(STORED),
            own_logical=Sum(LOGICAL, filter=own),
            own_stored=Sum(STORED, filter=own),
        )
    )
    numbers = rows.values_list("order", "count", "logical", "stored", "own_logical", "own_stored")
    return {order: UsedBytes(*(value or 0 for value in values)) for order, *values in numbers}


def usage_samples(order: Order, *, begin: datetime | None = None, end: datetime | None = None) -> QuerySet[UsageSample]:
    """The samples of an order that the caller was found to see, in no order."""
    rows = UsageSample.objects.filter(order=order)
    if begin is not None:
        rows = rows.filter(at__gte=begin)
    return rows if end is None else rows.filter(at__lt=end)


def usage_history(order: Order, now: datetime) -> list[tuple[datetime, int]]:
    """The stored bytes of an order over 90 days, a value a day, the oldest first; of a young one a value an hour."""
    shown = Q(at__hour=0) | Q(at__gte=now - timedelta(days=2))
    rows = usage_samples(order, begin=now - CHART_DAYS).filter(shown).order_by("at").values_list("at", "stored_bytes")
    samples = list(rows)
    days = [(at, stored) for at, stored in samples if at.hour == 0]
    return [*days, samples[-1]] if len(days) > 1 else samples


def bytes_freed(backups: QuerySet[Backup]) -> int:
    """The bytes that the deletion of these backups frees; at least so many, where they share some with each other."""
    freed: int | None = backups.order_by().aggregate(freed=Sum(FREED))["freed"]
    return freed or 0
