"""A free plan and a suspended order: neither the scheduler nor the worker lets a backup through."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus
from operations.models import Operation, OperationState
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.services.runs import schedules_tick
from tests.factories import ScheduleFactory
from tests.world.rental import Rental

REASONS = {
    "order_suspended": lambda rental: rental.suspend(),
    "plan_has_no_backups": lambda rental: plan_set(rental, has_backups=False),
    "schedules_not_offered": lambda rental: plan_set(rental, customer_schedules=False),
}


def plan_set(rental: Rental, **values: object) -> None:
    for name, value in values.items():
        setattr(rental.order.plan, name, value)
    rental.order.plan.save()


def due(rental: Rental, **values: object) -> Schedule:
    return ScheduleFactory(order=rental.order, next_due_at=timezone.now() - timedelta(minutes=5), **values)


@pytest.mark.parametrize("code", REASONS)
def test_scheduler_skips_the_run_with_the_reason(code, rental):
    schedule = due(rental)
    REASONS[code](rental)
    assert schedules_tick() == 0
    assert list(schedule.runs.values_list("state", "error_code")) == [(RunState.SKIPPED, code)]
    assert (Backup.objects.count(), Operation.objects.count()) == (0, 0)
    schedule.refresh_from_db()
    assert schedule.next_due_at > timezone.now()


@pytest.mark.parametrize("code", REASONS)
def test_run_that_waited_before_is_skipped_as_well(code, rental):
    manual = rental.create()
    schedule = due(rental)
    assert schedules_tick() == 0
    assert schedule.runs.get().state == RunState.DUE
    REASONS[code](rental)
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=timezone.now(), fence=1)
    assert schedules_tick() == 0
    assert list(schedule.runs.values_list("state", "error_code")) == [(RunState.SKIPPED, code)]
    assert Backup.objects.get() == manual


@pytest.mark.parametrize("code", ["order_suspended", "plan_has_no_backups"])
def test_worker_fails_a_run_that_began_before(code, rental):
    schedule = due(rental)
    assert schedules_tick() == 1
    REASONS[code](rental)
    assert rental.work().error_code == code
    assert list(schedule.runs.values_list("state", "error_code")) == [(RunState.FAILED, code)]
    assert Backup.objects.get().status == BackupStatus.FAILED


def test_plan_that_offers_no_schedules_runs_its_own(rental):
    plan_set(rental, customer_schedules=False, schedule_cron="@daily")
    own, customers = due(rental, of_plan=True), due(rental)
    assert schedules_tick() == 1
    assert own.runs.get().state == RunState.RUNNING
    assert customers.runs.get().state in (RunState.DUE, RunState.SKIPPED)
    assert ScheduleRun.objects.filter(state=RunState.RUNNING).count() == 1


def test_run_whose_order_is_deleted_goes_with_it(rental):
    schedule = due(rental)
    rental.order.provisions.all().delete()
    assert schedules_tick() == 0
    assert not schedule.runs.exists()
