"""The facts about orders, read for many at once: as many queries for a page of orders as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, Case, CharField, Count, DateField, F, Func, Max, Min, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.preferences import time_zone_find
from backups import kinds
from backups.models import Backup
from backups.selectors import RESTORABLE, WHOLE
from common.errors import ValidationError
from operations.models import LIVE_STATES, Operation, OperationState
from operations.selectors import workers_problem
from orders.models import Order
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.protection.state import (
    DAYS,
    GRACE,
    DayFacts,
    Facts,
    Gap,
    Protection,
    ScheduleFacts,
    current_at,
    protection_of,
)
from schedules.services.schedules import due_next

BROKEN_EXPECTED = timedelta(days=1)


class LocalDate(Func):
    """The day on which a moment falls, in a zone that may be another one in each row."""

    arity = 2
    output_field = DateField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """By the function that Django registers for its own truncations."""
        return super().as_sql(
            compiler, connection, template="django_datetime_cast_date(%(expressions)s, 'UTC')", **context
        )

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """By the database's own zones."""
        return super().as_sql(
            compiler, connection, template="(%(expressions)s)::date", arg_joiner=" AT TIME ZONE ", **context
        )


@dataclass(slots=True)
class _Gathered:
    """The facts about one order, as the queries bring them."""

    backups: dict[str, Any] = field(default_factory=dict)
    days: dict[date, DayFacts] = field(default_factory=lambda: defaultdict(DayFacts))
    running: bool = False
    paused: bool = False
    waiting_since: datetime | None = None
    unchanged_at: datetime | None = None
    failed_at: datetime | None = None
    failures: dict[date, tuple[datetime, str]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    schedules: list[ScheduleFacts] = field(default_factory=list)


def orders_protection(orders: Collection[Order], *, now: datetime | None = None) -> dict[UUID, Protection]:
    """The protection of each of these orders, by a fixed number of queries; plan and owner are loaded already."""
    now = now or timezone.now()
    zones = {order.id: _zone_of(order) for order in orders}
    gathered = {order.id: _Gathered() for order in orders}
    _backups(gathered)
    _operations(gathered, zones, now=now)
    _runs(gathered, zones, now=now)
    _schedules(gathered, now=now)
    idle = workers_problem() is not None
    return {
        order.id: protection_of(_facts(gathered[order.id], order, zone=ZoneInfo(zones[order.id]), idle=idle), now)
        for order in orders
    }


def order_protection(order: Order) -> Protection:
    """The protection of one order."""
    return orders_protection([order])[order.id]


def _zone_of(order: Order) -> str:
    """The zone of the customer; where none is chosen, that of the reader."""
    chosen = order.customer.owner.time_zone
    return chosen if time_zone_find(chosen) else timezone.get_current_timezone_name()


def _facts(found: _Gathered, order: Order, *, zone: ZoneInfo, idle: bool) -> Facts:
    return Facts(
        zone=zone,
        in_plan=order.plan.has_backups,
        suspended=order.is_suspended,
        any_backup=bool(found.backups),
        good_at=found.backups.get("good_at"),
        unchanged_at=found.unchanged_at,
        warned_at=found.backups.get("warned_at"),
        collapsed_at=found.backups.get("collapsed_at"),
        damaged_at=found.backups.get("damaged_at"),
        verified_at=found.backups.get("checked_at"),
        tested_at=found.backups.get("tested_at"),
        running=found.running,
        idle=idle,
        paused=found.paused and not found.schedules,
        waiting_since=found.waiting_since,
        schedules=tuple(found.schedules),
        failed_at=found.failed_at,
        failures={day: code for day, (_at, code) in found.failures.items()},
        gaps=tuple(found.gaps),
        days=found.days,
    )


def _backups(gathered: Mapping[UUID, _Gathered]) -> None:
    verified = WHOLE & Q(proof__ok=True)
    rows = (
        Backup.objects.filter(RESTORABLE, order__in=gathered.keys())
        .order_by()
        .values("order")
        .annotate(
            good_at=Max("completed_at", filter=WHOLE),
            warned_at=Max("completed_at", filter=WHOLE & Q(warnings_total__gt=0)),
            collapsed_at=Max("completed_at", filter=Q(collapsed=True)),
            damaged_at=Max("completed_at", filter=Q(degraded=True)),
            checked_at=Max("verified_at", filter=verified),
            tested_at=Max("proven_at", filter=WHOLE),
        )
    )
    for row in rows:
        gathered[row["order"]].backups = dict(row)


def _operations(gathered: Mapping[UUID, _Gathered], zones: Mapping[UUID, str], *, now: datetime) -> None:
    """What every create came to, by hand or by schedule: its row outlives the backup that retention removes."""
    ended = Q(finished_at__gte=_first(now), state__in=[OperationState.SUCCEEDED, OperationState.FAILED])
    rows = (
        Operation.objects.filter(ended | Q(state__in=LIVE_STATES), order__in=gathered.keys(), kind=kinds.CREATE.name)
        .order_by()
        .values(
            "order",
            "state",
            day=_day_of("finished_at", zones),
            flawed=_flagged(Q(result__warnings__gt=0)),
            unchanged=_flagged(Q(result__unchanged=True)),
        )
        .annotate(count=Count("id"), finished=Max("finished_at"))
    )
    for row in rows:
        found = gathered[row["order"]]
        if row["day"] is None:
            found.running = True
        elif row["state"] == OperationState.FAILED:
            found.days[row["day"]].failed += row["count"]
        else:
            found.days[row["day"]].good += row["count"]
            found.days[row["day"]].flawed += row["count"] * row["flawed"]
            if row["unchanged"]:
                found.unchanged_at = _later(found.unchanged_at, row["finished"])


def _runs(gathered: Mapping[UUID, _Gathered], zones: Mapping[UUID, str], *, now: datetime) -> None:
    due = Coalesce("due_since", "starts_at")
    late = Q(started_at__gt=F("due") + GRACE) | Q(state=RunState.DUE, due__lt=now - GRACE)
    rows = (
        ScheduleRun.objects.filter(provision__order__in=gathered.keys(), due_at__gte=_first(now))
        .annotate(due=due)
        .order_by()
        .values(
            "state",
            "error_code",
            order=F("provision__order"),
            day=_day_of("due_at", zones, order="provision__order"),
            late=_flagged(late),
            alone=_flagged(Q(operation_id__isnull=True)),
        )
        .annotate(count=Count("id"), since=Min("due"), started=Max("started_at"), finished=Max("finished_at"))
    )
    for row in rows:
        _run_add(gathered[row["order"]], row)


def _run_add(found: _Gathered, row: Mapping[str, Any]) -> None:
    """Add the runs of one day that came to the same end."""
    if row["late"]:
        found.gaps.append(Gap(since=row["since"], until=row["started"]))
    elif row["state"] == RunState.DUE:
        found.waiting_since = min(found.waiting_since or row["since"], row["since"])
    if row["state"] == RunState.FAILED:
        found.failed_at = _later(found.failed_at, row["finished"])
        day, known = row["day"], found.failures.get(row["day"])
        if known is None or known[0] < row["finished"]:
            found.failures[day] = (row["finished"], row["error_code"])
        if row["alone"]:  # no operation tells of it
            found.days[day].failed += row["count"]


def _schedules(gathered: Mapping[UUID, _Gathered], *, now: datetime) -> None:
    for schedule in Schedule.objects.filter(order__in=gathered.keys()).order_by("created_at", "id"):
        found = gathered[schedule.order_id]
        if schedule.paused:
            found.paused = True
            continue
        due = schedule.next_due_at
        good_at = current_at(found.backups.get("good_at"), found.unchanged_at)
        found.schedules.append(
            ScheduleFacts(
                name=schedule.name,
                error_code=schedule.error_code,
                next_at=due if due and due > now else None,
                expected_at=_expected_at(schedule, max(good_at or schedule.created_at, schedule.created_at)),
            )
        )
        if due is not None and due < now - GRACE:
            found.gaps.append(Gap(since=due))


def _expected_at(schedule: Schedule, after: datetime) -> datetime | None:
    """The first time of a schedule after a moment, None when there is none any more; of a broken one, a day later."""
    try:
        return due_next(schedule, after=after)
    except ValidationError:
        return after + BROKEN_EXPECTED


def _day_of(moment: str, zones: Mapping[UUID, str], *, order: str = "order") -> LocalDate:
    """The day of a column in the zone of the row's order."""
    by_zone: dict[str, list[UUID]] = defaultdict(list)
    for order_id, zone in zones.items():
        by_zone[zone].append(order_id)
    names = [When(**{f"{order}__in": ids}, then=Value(zone)) for zone, ids in by_zone.items()]
    return LocalDate(moment, Case(*names, default=Value("UTC"), output_field=CharField()))


def _flagged(condition: Q) -> Case:
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())


def _first(now: datetime) -> datetime:
    """A moment before the first day of the strip, in every zone."""
    return now - timedelta(days=DAYS + 1)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)
