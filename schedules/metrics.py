"""Metrics of protection and schedules, counted in the database."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from schedules.models import OPEN_STATES, OrderProtection, Schedule, ScheduleRun
from schedules.protection.fleet import schedules_due_since
from schedules.protection.state import State


def metric_families() -> Iterator[Metric]:
    """The families of this app, every series from the first scrape on, by five queries. Raises DatabaseError."""
    counts = OrderProtection.objects.order_by().values_list("state").annotate(Count("order"))
    yield _gauge("savepoint_orders", "Orders by whether their server could be brought back.", "protection",
                 dict.fromkeys(State.values, 0) | dict(counts))  # fmt: skip
    absent = OrderProtection.objects.filter(absent_at__isnull=False).count()
    yield GaugeMetricFamily(
        "savepoint_orders_absent", "Orders without a good backup for longer than their schedules promise.", absent
    )
    broken = ~Q(error_code="")
    found = Schedule.objects.aggregate(
        active=Count("id", filter=Q(paused=False) & ~broken),
        paused=Count("id", filter=Q(paused=True) & ~broken),
        broken=Count("id", filter=broken),
    )
    due_at, now = schedules_due_since(), timezone.now()
    yield _gauge("savepoint_schedules", "Schedules.", "state", found)
    yield GaugeMetricFamily(
        "savepoint_schedule_late_seconds",
        "How long the oldest due schedule waits for the tick.",
        max(0.0, (now - due_at).total_seconds()) if due_at else 0.0,
    )
    runs = ScheduleRun.objects.filter(state__in=OPEN_STATES).order_by().values_list("state").annotate(Count("id"))
    yield _gauge("savepoint_schedule_runs", "Runs of schedules that wait or run.", "state",
                 {state.value: 0 for state in OPEN_STATES} | dict(runs))  # fmt: skip


def _gauge(name: str, says: str, label: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
