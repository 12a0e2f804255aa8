"""Due schedules: one run for each due time, started through the service of the button."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from backups import rules
from backups.models import Backup, BackupStatus
from backups.services.backups import backup_update
from common.errors import ApplicationError
from operations.errors import OperationCancelled
from operations.models import Operation, OperationState
from operations.services.operations import operation_fail
from operations.work.lease import operation_succeeds
from operations.work.run import operation_claim
from schedules.models import Rotation, RunState, Schedule, ScheduleRun
from schedules.rules import Settings
from schedules.services.due import runs_make, schedules_recover, smear
from schedules.services.rotation import rotations_apply
from schedules.services.runs import run_start, runs_expire, runs_wanted, schedule_run, schedules_tick
from schedules.services.schedules import schedule_create, schedule_update
from tests.factories import AssetFactory
from tests.world.rental import Rental

START = datetime(2026, 11, 30, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def make(rental: Rental, *, of_order: bool = False, **settings) -> Schedule:
    values = {"name": "Each minute", "cron": "* * * * *", **settings}
    return schedule_create(
        user=rental.owner,
        order_id=rental.order.id,
        provision_id=None if of_order else rental.server.id,
        settings=Settings(**values),
        now=START,
    )


def work(rental: Rental, *, error: ApplicationError | None = None) -> None:
    """Be the worker for the one active operation: end it well, or with an error."""
    operation = operation_claim(Operation.objects.get(state=OperationState.QUEUED).id)
    assert operation is not None
    if error is not None:
        assert operation_fail(operation=operation, error=error)
        return
    with operation_succeeds(operation):
        Backup.objects.filter(roles__operation=operation).update(
            status=BackupStatus.READY,
            asset=AssetFactory(customer=rental.order.customer),
            size_bytes=1,
            completed_at=timezone.now(),
        )


def states(schedule: Schedule) -> list[str]:
    return list(schedule.runs.order_by("due_at").values_list("state", flat=True))


def tick(minutes: float) -> int:
    return schedules_tick(now=START + minutes * MINUTE)


def test_run_makes_a_backup_and_ends_with_it(scheduled):
    schedule = make(
        scheduled,
        tags=["auto"],
        exclude=["/logs/"],
        name_pattern="{server} on {date} at {time}",
        time_zone="Asia/Tokyo",
    )
    assert tick(0) == 0
    assert tick(1) == 1
    run = schedule.runs.get()
    assert (run.state, run.due_at) == (RunState.RUNNING, START + MINUTE / 2)
    backup = run.backup
    assert (backup.name, backup.tags, backup.exclude) == (
        f"{scheduled.server.name} on 2026-11-30 at 21:01", ["auto"], ["/logs/"],
    )  # fmt: skip
    assert (backup.schedule_id, backup.operation_id) == (schedule.id, run.operation_id)
    work(scheduled)
    run.refresh_from_db()
    assert (run.state, run.error_code) == (RunState.SUCCEEDED, "")
    assert run.finished_at is not None
    assert Backup.objects.get().status == BackupStatus.READY


def test_tick_that_comes_twice_makes_nothing_twice(scheduled):
    schedule = make(scheduled)
    tick(1)
    Schedule.objects.filter(id=schedule.id).update(next_due_at=START + MINUTE / 2)
    tick(1)
    assert states(schedule) == [RunState.RUNNING]
    assert Backup.objects.count() == 1


def test_run_of_a_busy_order_stays_due_and_starts_later(scheduled):
    manual = scheduled.create()
    schedule = make(scheduled)
    assert tick(1) == 0
    assert states(schedule) == [RunState.DUE]
    assert run_start(schedule.runs.get().id, now=START + MINUTE) is False
    assert states(schedule) == [RunState.DUE]
    # The next due time finds a run that waits, which stands for it as well.
    assert tick(2) == 0
    assert states(schedule) == [RunState.DUE, RunState.SKIPPED]
    assert schedule.runs.order_by("due_at").last().error_code == "run_waiting"
    work(scheduled)
    assert Backup.objects.get().id == manual.id
    assert tick(2) == 1
    assert states(schedule) == [RunState.RUNNING, RunState.SKIPPED]


@pytest.mark.parametrize("minutes", [10, 60 * 24 * 3])
def test_dead_worker_is_followed_by_one_run(scheduled, minutes):
    schedule = make(scheduled)
    assert tick(minutes) == 1
    run = schedule.runs.get()
    assert run.due_at == START + minutes * MINUTE - MINUTE / 2
    schedule.refresh_from_db()
    assert schedule.next_due_at == run.due_at + MINUTE


def test_pause_is_followed_by_one_run(scheduled):
    schedule = make(scheduled)
    tick(1)
    work(scheduled)
    schedule = schedule_update(
        user=scheduled.owner, schedule=schedule, changes={"paused": True}, now=START + 2 * MINUTE
    )
    assert schedule.next_due_at is None
    assert tick(9) == 0
    schedule = schedule_update(
        user=scheduled.owner, schedule=schedule, changes={"paused": False}, now=START + 10 * MINUTE
    )
    assert tick(10) == 1
    assert [run.due_at for run in schedule.runs.order_by("due_at")] == [START + MINUTE / 2, START + MINUTE * 9.5]


def test_new_times_count_from_now_on(scheduled):
    schedule = make(scheduled)
    schedule = schedule_update(
        user=scheduled.owner, schedule=schedule, changes={"cron": "0 * * * *"}, now=START + 10 * MINUTE
    )
    assert schedule.next_due_at == datetime(2026, 11, 30, 13, tzinfo=UTC)


@pytest.mark.parametrize("code", ["order_suspended", "plan_has_no_backups"])
def test_order_without_new_backups_skips_with_the_reason(scheduled, code):
    schedule = make(scheduled)
    if code == "order_suspended":
        scheduled.suspend()
    else:
        scheduled.order.plan.has_backups = False
        scheduled.order.plan.save()
    assert tick(1) == 0
    assert list(schedule.runs.values_list("state", "error_code")) == [(RunState.SKIPPED, code)]
    assert not Backup.objects.exists()


def test_server_without_sidecar_fails_with_the_reason(scheduled):
    schedule = make(scheduled)
    scheduled.sidecar.delete()
    tick(1)
    assert list(schedule.runs.values_list("state", "error_code")) == [(RunState.FAILED, "no_sidecar")]


def test_failed_backup_fails_its_run(scheduled):
    schedule = make(scheduled)
    tick(1)
    work(scheduled, error=OperationCancelled())
    assert list(schedule.runs.values_list("state", "error_code")) == [(RunState.FAILED, "cancelled")]


def test_broken_schedule_stops_only_itself(scheduled):
    broken, whole = make(scheduled, name="Broken"), make(scheduled)
    Schedule.objects.filter(id=broken.id).update(cron="every day")
    assert tick(1) == 1
    broken.refresh_from_db()
    assert (broken.error_code, broken.next_due_at) == ("validation_error", None)
    assert (states(broken), states(whole)) == ([], [RunState.RUNNING])
    mended = schedule_update(user=scheduled.owner, schedule=broken, changes={"cron": "@hourly"}, now=START)
    assert (mended.error_code, mended.next_due_at) == ("", datetime(2026, 11, 30, 13, tzinfo=UTC))


def test_schedule_of_an_order_runs_on_its_server(scheduled):
    schedule = make(scheduled, of_order=True)
    tick(1)
    assert schedule.runs.get().provision == scheduled.server


def test_backup_at_the_limit_begins_while_an_older_one_may_go(scheduled):
    scheduled.order.plan.backup_limit = 1
    scheduled.order.plan.save()
    old = scheduled.create()
    work(scheduled)
    old.refresh_from_db()
    schedule = make(scheduled)
    backup_update(user=scheduled.owner, backup=old, locked=True)
    tick(1)
    assert list(schedule.runs.values_list("state", "error_code")) == [(RunState.FAILED, "limit_reached")]
    backup_update(user=scheduled.owner, backup=old, locked=False)
    assert tick(2) == 1
    assert Backup.objects.count() == 2
    work(scheduled)
    assert states(schedule) == [RunState.FAILED, RunState.SUCCEEDED]


def test_run_at_the_limit_waits_while_an_older_backup_is_about_to_go(scheduled, monkeypatch):
    monkeypatch.setattr(rules, "ROTATING_MAX", 1)
    scheduled.order.plan.backup_limit = 1
    scheduled.order.plan.save()
    old = scheduled.stored()
    schedule = make(scheduled)
    assert tick(1) == 1
    work(scheduled)
    assert rotations_apply() == 0  # it is read back first
    assert tick(2) == 0
    assert states(schedule) == [RunState.SUCCEEDED, RunState.DUE]
    Operation.objects.exclude(kind="create").update(state=OperationState.SUCCEEDED, finished_at=timezone.now())
    Backup.objects.exclude(id=old.id).update(proof={"ok": True, "depth": "sample"})
    assert rotations_apply() == 1
    Operation.objects.exclude(kind="create").update(state=OperationState.SUCCEEDED, finished_at=timezone.now())
    assert tick(2) == 1
    work(scheduled)
    Rotation.objects.all().delete()  # nothing will make room
    assert tick(3) == 0
    assert schedule.runs.order_by("due_at").last().error_code == "limit_reached"


def test_clock_that_was_a_year_ahead_silences_no_schedule(scheduled):
    schedule, broken = make(scheduled), make(scheduled, name="Broken")
    year = 60 * 24 * 366
    assert tick(year) == 1
    work(scheduled)
    ScheduleRun.objects.filter(schedule=schedule, state=RunState.DUE).update(starts_at=START + (year + 1) * MINUTE)
    Schedule.objects.filter(id=broken.id).update(cron="every day")
    assert (tick(3), schedules_recover(now=START + 3 * MINUTE)) == (0, 1)
    assert schedules_recover(now=START + 3 * MINUTE) == 0
    assert tick(4) == 1
    assert not ScheduleRun.objects.filter(state=RunState.DUE).exists()


def test_run_now_starts_beside_the_due_times(scheduled):
    schedule = make(scheduled, paused=True)
    (run,) = schedule_run(user=scheduled.owner, schedule=schedule, now=START)
    run.refresh_from_db()
    assert (run.state, run.due_at) == (RunState.RUNNING, START)
    assert Operation.objects.get().id == run.operation_id


def test_starts_of_a_host_are_spread_and_stable(scheduled):
    servers = [Backup().id for _ in range(300)]

    def of(server, minutes):
        return smear(host="node-1", server=server, until=START + minutes * MINUTE, due_at=START).total_seconds()

    hourly = [of(server, 60) for server in servers]
    assert hourly == [of(server, 60) for server in servers]
    assert (min(hourly) < 5, max(hourly) > 55, max(hourly) < 60) == (True, True, True)
    assert max(of(server, 1) for server in servers) < 6


def test_wanted_only_while_something_is_due(scheduled):
    assert runs_wanted() is False
    Schedule.objects.filter(id=make(scheduled).id).update(next_due_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert runs_wanted() is True
    runs_make(now=datetime(2020, 1, 1, 0, 1, tzinfo=UTC))
    assert ScheduleRun.objects.filter(state=RunState.DUE).count() == 1


def test_old_runs_are_deleted(scheduled):
    schedule = make(scheduled)
    tick(1)
    work(scheduled)
    ended = schedule.runs.get().finished_at
    assert runs_expire(now=ended + timedelta(days=99)) == 0
    assert runs_expire(now=ended + timedelta(days=101)) == 1
