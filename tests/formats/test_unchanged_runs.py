"""A schedule that runs only when something has changed, in both formats: nothing changed is a result of its own."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from operations.models import Operation, OperationState
from operations.work.lease import Lease
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.protection.facts import order_protection
from schedules.protection.state import State
from schedules.services.runs import schedules_tick
from tests.factories import ScheduleFactory
from tests.world.clients import client_of
from tests.world.linked import Linked
from vault.models import StoredObject
from wire.enums import Phase


@pytest.fixture
def schedule(rented: Linked) -> Schedule:
    return ScheduleFactory(
        order=rented.order,
        provision=rented.server,
        cron="* * * * *",
        only_if_changed=True,
        created_at=timezone.now() - timedelta(days=4),
    )


@pytest.fixture
def phases(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The phases of all work."""
    seen: list[str] = []
    tell = Lease.phase

    def told(lease: Lease, phase: str, **more: object) -> None:
        seen.append(str(phase))
        tell(lease, phase, **more)

    monkeypatch.setattr(Lease, "phase", told)
    return seen


def run(rented: Linked, schedule: Schedule) -> ScheduleRun:
    """The next run of the schedule, in another minute, done by a worker."""
    before = set(schedule.runs.values_list("id", flat=True))
    moment = timezone.now().replace(second=30) + timedelta(minutes=len(before))
    Schedule.objects.filter(id=schedule.id).update(next_due_at=moment.replace(second=0, microsecond=0))
    assert schedules_tick(now=moment) == 1
    assert rented.work().state == OperationState.SUCCEEDED
    return schedule.runs.exclude(id__in=before).get()


def begin_moved(backup: Backup, by: timedelta) -> datetime:
    """Let the work on a backup have begun at another time: no file has changed since then, without a minute's wait."""
    operation = Operation.objects.get(roles__backup=backup)
    assert operation.started_at is not None
    operation.started_at += by
    operation.save()
    return operation.started_at


def test_run_without_a_change_makes_no_backup_and_protects(rented: Linked, schedule: Schedule, phases) -> None:
    first = run(rented, schedule)
    assert first.state == RunState.SUCCEEDED
    backup = Backup.objects.get()
    begin_moved(backup, timedelta(minutes=2))
    # As if it were long ago that the order was protected.
    Backup.objects.update(completed_at=timezone.now() - timedelta(days=3))
    objects, before = StoredObject.objects.count(), order_protection(rented.order)
    assert before.state == State.AT_RISK
    phases.clear()

    second = run(rented, schedule)
    assert (second.state, second.error_code, second.backup) == (RunState.UNCHANGED, "", None)
    assert list(Backup.objects.all()) == [backup]
    # It cost a scan: nothing was packed, nothing stored.
    assert phases[-1] == Phase.COMPARING
    assert StoredObject.objects.count() == objects
    protection = order_protection(rented.order)
    assert protection.state == State.PROTECTED
    assert protection.good_at == Operation.objects.latest("created_at").finished_at > before.good_at

    url = f"/api/v1/orders/{rented.order.id}/provisions/{rented.server.id}/schedules/{schedule.id}/"
    shown = client_of(rented.owner).get(url).json()["last_run"]
    assert (shown["state"], shown["backup"]) == ("unchanged", None)

    begin_moved(backup, -timedelta(minutes=2))
    (rented.daemon.world / "new.dat").write_bytes(b"built")
    third = run(rented, schedule)
    assert third.state == RunState.SUCCEEDED
    assert Backup.objects.count() == 2


def test_run_without_a_good_backup_makes_one(rented: Linked, schedule: Schedule) -> None:
    run(rented, schedule)
    backup = Backup.objects.get()
    begin_moved(backup, timedelta(minutes=2))
    Backup.objects.update(degraded=True)
    assert run(rented, schedule).state == RunState.SUCCEEDED
    assert Backup.objects.count() == 2


def test_run_without_the_condition_makes_one_each_time(rented: Linked, schedule: Schedule) -> None:
    Schedule.objects.update(only_if_changed=False)
    run(rented, schedule)
    begin_moved(Backup.objects.get(), timedelta(minutes=2))
    assert run(rented, schedule).state == RunState.SUCCEEDED
    assert Backup.objects.count() == 2
