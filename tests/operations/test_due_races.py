"""Two ticks at once, with real threads and connections. Each double run is first shown to occur without its guard."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from backups.models import Backup
from backups.services import backups as backups_service
from operations.models import Operation
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.services import due, runs
from schedules.services.due import schedules_due
from schedules.services.runs import run_start, schedules_tick
from tests.factories import OrderFactory, ProvisionFactory, ScheduleFactory
from tests.operations.test_races import constraint_dropped, in_parallel

pytestmark = pytest.mark.django_db(transaction=True)

DUE = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOW = DUE + timedelta(minutes=2)


class Unlocked(QuerySet):
    """Rows that nobody locks."""

    def select_for_update(self, **options):
        return self.all()


@pytest.fixture
def due_schedule(real_rental) -> Schedule:
    return ScheduleFactory(order=real_rental.order, next_due_at=DUE)


@pytest.fixture
def together(monkeypatch):
    """Both ticks have read what is due before either writes."""
    gate, make = threading.Barrier(2), due._make

    def make_together(found, *, now):
        gate.wait(timeout=20)
        return make(found, now=now)

    monkeypatch.setattr(due, "_make", make_together)


@pytest.fixture
def unlocked(monkeypatch):
    monkeypatch.setattr(
        due, "schedules_due", lambda now: Unlocked(Schedule).filter(next_due_at__lte=now).order_by("next_due_at")
    )


def tick_twice():
    in_parallel(2, lambda _: due.runs_make(now=NOW))
    return ScheduleRun.objects.count()


@pytest.mark.postgres
def test_without_lock_and_constraint_two_ticks_make_two_runs(due_schedule, together, unlocked):
    with constraint_dropped("schedule_run_once", ScheduleRun):
        assert tick_twice() == 2
        ScheduleRun.objects.all().delete()


@pytest.mark.postgres
def test_lock_alone_lets_one_of_two_ticks_make_the_run(due_schedule, together):
    with constraint_dropped("schedule_run_once", ScheduleRun):
        assert tick_twice() == 1


@pytest.mark.postgres
def test_constraint_alone_lets_one_of_two_ticks_make_the_run(due_schedule, together, unlocked):
    assert tick_twice() == 1


def test_many_ticks_at_once_start_each_due_time_once(real_rental):
    orders = [real_rental.order]
    for _ in range(5):
        order = OrderFactory(plan=real_rental.order.plan)
        ProvisionFactory(order=order)
        ProvisionFactory(order=order, sidecar=True)
        orders.append(order)
    schedules = [ScheduleFactory(order=order, next_due_at=DUE) for order in orders for _ in range(2)]
    in_parallel(4, lambda _: schedules_tick(now=NOW))
    assert ScheduleRun.objects.count() == len(schedules)
    # Each order has a server, which takes one backup at a time: the other run waits.
    assert ScheduleRun.objects.filter(state=RunState.RUNNING).count() == len(orders)
    assert ScheduleRun.objects.filter(state=RunState.DUE).count() == len(orders)
    assert Backup.objects.count() == Operation.objects.count() == len(orders)


@pytest.fixture
def waiting(due_schedule) -> ScheduleRun:
    due.runs_make(now=NOW)
    return ScheduleRun.objects.get()


def test_run_that_many_workers_start_makes_one_backup(waiting):
    begun = in_parallel(6, lambda _: run_start(waiting.id, now=NOW))
    assert sorted(begun) == [False] * 5 + [True]
    assert Backup.objects.count() == 1


@pytest.mark.postgres
def test_without_locks_a_run_that_two_workers_start_makes_two_backups(waiting, real_rental, monkeypatch):
    gate = threading.Barrier(2)

    def unlocked_run(rows):
        found = rows.first()
        gate.wait(timeout=20)
        return found

    monkeypatch.setattr(runs, "order_lock", lambda order_id: real_rental.order)
    monkeypatch.setattr(backups_service, "order_lock", lambda order_id: real_rental.order)
    monkeypatch.setattr(runs, "row_lock", unlocked_run)
    with constraint_dropped("operation_one_active_an_order"):
        begun = in_parallel(2, lambda _: run_start(waiting.id, now=NOW))
        assert begun == [True, True]
        assert Backup.objects.count() == 2


@pytest.mark.postgres
def test_due_rows_are_found_by_index(due_schedule):
    """A tick reads what is due, however many schedules there are."""
    server = ProvisionFactory()
    rows = [
        Schedule(order=server.order, name=str(number), cron="@daily", next_due_at=DUE + timedelta(days=number))
        for number in range(1, 5000)
    ]
    Schedule.objects.bulk_create(rows)
    over = {"state": RunState.SUCCEEDED, "finished_at": DUE}
    ScheduleRun.objects.bulk_create(
        ScheduleRun(schedule=row, provision=server, due_at=DUE, starts_at=DUE, **over) for row in rows
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    plans = {
        "schedule_due": schedules_due(now=NOW).select_for_update(of=("self",), no_key=True, skip_locked=True)[:500],
        "schedule_run_waiting": runs._startable(NOW).order_by("starts_at", "id")[:1000],
    }
    for index, rows_read in plans.items():
        with transaction.atomic():
            plan = rows_read.explain()
        assert index in plan, plan
        assert "Seq Scan on schedules_" not in plan, plan
