"""A year of 200 schedules with a clock that the test turns: each due time has one run, by another implementation."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from uuid import UUID
from zoneinfo import ZoneInfo

from cronsim import CronSim
from django.db.models import Min

from orders.models import Order
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.services.due import runs_make
from schedules.services.schedules import due_next
from tests.factories import OrderFactory, ProvisionFactory

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2027, 3, 1, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]
RULES = ["30 2 * * *", "30 2 * * 1-5", "30 2 * * SUN", "30 2 1,L * *", "30 2 */7 * *", "30 2 * 3,10 SAT#2"]
OUTAGE = (datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 8, 4, tzinfo=UTC))


def schedules_make(order: Order) -> list[Schedule]:
    made = []
    for number in range(200):
        rule, zone = RULES[number % len(RULES)], ZONES[number % len(ZONES)]
        schedule = Schedule(order=order, name=str(number), cron=rule, time_zone=zone, created_at=BEGIN)
        schedule.next_due_at = due_next(schedule, after=BEGIN)
        made.append(schedule)
    return Schedule.objects.bulk_create(made)


@cache
def expected(rule: str, zone: str) -> list[datetime]:
    """The due times of the year that have a run: of those during the outage only the last one."""
    moments = (local.astimezone(UTC) for local in CronSim(rule, BEGIN.astimezone(ZoneInfo(zone))))
    year = list(takewhile(lambda moment: moment < END, moments))
    missed = [moment for moment in year if OUTAGE[0] <= moment < OUTAGE[1]]
    return [moment for moment in year if moment not in missed[:-1]]


def year_run() -> None:
    """The tick at each moment at which something is due; nothing runs during the outage."""
    while (now := Schedule.objects.aggregate(first=Min("next_due_at"))["first"]) is not None and now < END:
        if OUTAGE[0] <= now < OUTAGE[1]:
            now = OUTAGE[1]
        runs_make(now=now)
        ScheduleRun.objects.filter(state=RunState.DUE).update(
            state=RunState.SUCCEEDED, finished_at=now + timedelta(minutes=1)
        )


def test_year_of_200_schedules_loses_and_doubles_no_run(db):
    order = OrderFactory()
    ProvisionFactory(order=order)
    schedules = schedules_make(order)
    year_run()
    found: dict[UUID, list[datetime]] = {schedule.id: [] for schedule in schedules}
    for schedule_id, due_at in ScheduleRun.objects.order_by("due_at").values_list("schedule", "due_at"):
        found[schedule_id].append(due_at)
    for schedule in schedules:
        assert found[schedule.id] == expected(schedule.cron, schedule.time_zone), (schedule.cron, schedule.time_zone)
    states = Counter(ScheduleRun.objects.values_list("state", flat=True))
    assert set(states) == {RunState.SUCCEEDED}
    assert states.total() > 20_000
    # The catch-up of the outage says since when it stands for more than itself.
    caught = ScheduleRun.objects.filter(due_since__isnull=False)
    assert caught.count() > 30
    begin, end = OUTAGE
    assert all(begin <= run.due_since < run.due_at < end for run in caught)
