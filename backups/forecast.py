"""The growth of an order's backups, and when a limit in bytes will be reached at that rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Sum

from backups.models import Backup
from backups.usage import USABLE, order_used, usage_samples
from orders.models import ByteMeasure, Order

LOOKED_BACK: Final = timedelta(days=30)
LEAST_SPAN: Final = timedelta(days=1)
"""Samples of less time say nothing of a rate."""
FARTHEST: Final = timedelta(days=3 * 365)
"""A limit that is reached later is not foretold."""
DAY_SECONDS: Final = 86_400

Sample = tuple[datetime, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The use of an order and its rate. bytes_per_day: None while too little is known; negative when it shrinks.

    reached_at: when the limit is reached; None without a limit, and when that is years away or never.
    """

    used_bytes: int
    byte_limit: int | None
    bytes_per_day: int | None
    reached_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedBytes:
    """The usable backups of one schedule, or of none (None), and the bytes that they added to the storage.

    added_bytes: None while it is known of none of them.
    """

    schedule_id: UUID | None
    safety: bool
    backups: int
    added_bytes: int | None


def forecast_of(order: Order, now: datetime) -> Forecast:
    """The forecast of an order, in the bytes that its plan counts."""
    measure = order.plan.byte_measure
    column = "stored_bytes" if measure == ByteMeasure.STORED else "logical_bytes"
    rows = usage_samples(order, begin=now - LOOKED_BACK).order_by("at").values_list("at", column)
    rate = rate_of(list(rows))
    used, limit = order_used(order).counted(measure), order.plan.byte_limit
    return Forecast(
        used_bytes=used,
        byte_limit=limit,
        bytes_per_day=None if rate is None else round(rate),
        reached_at=reached_at(used=used, limit=limit, rate=rate, now=now),
    )


def rate_of(samples: Sequence[Sample]) -> float | None:
    """The growth in bytes a day: the slope of the line of least squares. None for samples of too little time."""
    if not samples or samples[-1][0] - samples[0][0] < LEAST_SPAN:
        return None
    begin = samples[0][0]
    days = [(at - begin).total_seconds() / DAY_SECONDS for at, _ in samples]
    middle, mean = sum(days) / len(days), sum(size for _, size in samples) / len(samples)
    spread = sum((day - middle) ** 2 for day in days)
    return sum((day - middle) * (size - mean) for day, (_, size) in zip(days, samples, strict=True)) / spread


def reached_at(*, used: int, limit: int | None, rate: float | None, now: datetime) -> datetime | None:
    """When a use reaches a limit at a rate in bytes a day; `now` when it has."""
    if limit is None:
        return None
    if used >= limit:
        return now
    if rate is None or rate <= 0 or (limit - used) / rate > FARTHEST.days:
        return None
    return now + timedelta(days=(limit - used) / rate)


def added_by_schedule(order: Order) -> list[AddedBytes]:
    """What the backups of each schedule added to the storage, the most first."""
    rows = (
        Backup.objects.filter(USABLE, order=order)
        .order_by()
        .values("schedule_id", "is_safety")
        .annotate(backups=Count("id"), added=Sum("added_bytes"))
    )
    found = [
        AddedBytes(
            schedule_id=row["schedule_id"],
            safety=row["is_safety"],
            backups=row["backups"],
            added_bytes=row["added"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda added: added.added_bytes or 0, reverse=True)
