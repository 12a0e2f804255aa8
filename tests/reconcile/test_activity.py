"""I4 and I7: operations that stopped, run too long, exclude no other, or ended without an outcome."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.db import connection
from django.utils import timezone

from backups.models import Backup, Finding
from backups.reconcile.heartbeats import Heartbeats
from backups.services.reprovision import order_reprovision
from operations.models import Operation
from operations.work.lease import LEASE_SECONDS
from operations.work.run import operation_claim
from tests.reconcile.conftest import ago


@pytest.fixture
def running(reconciled):
    """A create that a worker claimed and abandoned."""
    reconciled.create()
    claimed = operation_claim(Operation.objects.get().id)
    assert claimed is not None
    return claimed


class Clock:
    """A clock that advances when someone waits for it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds
        self.waited = seconds


def heartbeats(clock=None):
    clock = clock or Clock()
    return Heartbeats(monotonic=clock.monotonic, pause=clock.pause)


def test_expired_lease_is_found_and_the_operation_restarts(reconciled, running):
    clock = Clock()
    assert reconciled.found("I4", heartbeats=heartbeats(clock)) == ["heartbeat_standing"]
    assert clock.waited == LEASE_SECONDS
    assert Operation.objects.get().state == "running"
    assert reconciled.found("I4", heartbeats=heartbeats(), repair=True) == []
    assert Operation.objects.get().state == "queued"
    reconciled.answer()
    assert Backup.objects.get().status == "ready"


def test_after_three_attempts_it_is_ended_with_an_explanation(reconciled, running):
    Operation.objects.update(attempts=3)
    assert reconciled.found("I4", heartbeats=heartbeats(), repair=True) == []
    operation = Operation.objects.get()
    assert (operation.state, operation.error_code) == ("failed", "worker_lost")
    assert Backup.objects.get().status == "failed"


def test_a_heartbeat_that_moves_is_no_finding(reconciled, running):
    clock = Clock()

    def beats(seconds):
        Operation.objects.update(heartbeat=running.heartbeat + 1)

    moving = Heartbeats(monotonic=clock.monotonic, pause=beats)
    assert reconciled.found("I4", heartbeats=moving, repair=True) == []
    assert Operation.objects.get().state == "running"


def test_moving_heartbeat_clears_the_finding_without_a_repair(reconciled, running):
    assert reconciled.found("I4", heartbeats=heartbeats()) == ["heartbeat_standing"]
    Operation.objects.update(heartbeat=running.heartbeat + 1)
    assert reconciled.found("I4", repair=True) == []
    assert Operation.objects.get().state == "running"


def test_pass_without_running_operations_does_not_wait(reconciled):
    def never(seconds):
        raise AssertionError("waited")

    assert Heartbeats(pause=never).standing() == {}


def test_an_operation_that_runs_for_more_than_a_day_is_ended(reconciled, running):
    Operation.objects.update(started_at=ago(hours=25))
    assert reconciled.found("I4") == ["operation_overdue"]
    assert reconciled.found("I4", repair=True) == []
    operation = Operation.objects.get()
    assert (operation.state, operation.error_code) == ("failed", "timed_out")
    assert Backup.objects.get().status == "failed"


def test_possible_exchange_ends_only_by_the_journal(reconciled, running):
    Operation.objects.update(started_at=ago(hours=25), kind="restore", exchange="begun")
    assert reconciled.found("I4", repair=True) == ["operation_overdue"]
    assert Operation.objects.get().state == "running"


@pytest.mark.parametrize(("kind", "hours"), [("delete", 99), ("create", 23)])
def test_operation_within_its_time_limit_is_no_finding(kind, hours, reconciled, running):
    Operation.objects.update(started_at=ago(hours=hours), kind=kind)
    assert reconciled.found("I4", repair=True) == []
    assert Operation.objects.get().state == "running"


def test_hold_may_last_longer_than_a_day(reconciled):
    order_reprovision(user=reconciled.owner, order_id=reconciled.order.id, idempotency=None)
    Operation.objects.update(started_at=ago(hours=25), expires_at=ago(hours=-1))
    assert reconciled.found("I4", repair=True) == []
    assert Operation.objects.get().state == "running"


def test_operation_unclaimed_for_a_day_is_reported_and_left(reconciled):
    reconciled.create()
    assert reconciled.found("I4") == []
    Operation.objects.update(created_at=ago(hours=25))
    assert reconciled.found("I4", repair=True) == ["operation_unclaimed"]
    assert Operation.objects.get().state == "queued"
    Operation.objects.update(not_before=ago(hours=-1))
    assert reconciled.found("I4") == []


def test_a_hold_that_has_run_out_is_released(reconciled):
    order_reprovision(user=reconciled.owner, order_id=reconciled.order.id, idempotency=None)
    assert reconciled.found("I4", repair=True) == []
    Operation.objects.update(expires_at=ago(minutes=6))
    assert reconciled.found("I4") == ["hold_expired"]
    assert reconciled.found("I4", repair=True) == []
    assert Operation.objects.get().state == "succeeded"
    assert reconciled.create().status == "creating"


def test_missing_constraint_and_its_violations_are_reported(reconciled):
    reconciled.create()
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX operation_one_active_an_order")
    try:
        assert reconciled.found("I4", repair=True) == ["constraint_missing"]
        second = Operation.objects.create(order=reconciled.order, kind="restore", exclusive=True)
        assert reconciled.found("I4", repair=True) == ["active_twice", "constraint_missing"]
        assert Finding.objects.get(code="active_twice").params == {"count": 2}
        second.delete()
    finally:
        (constraint,) = (
            found for found in Operation._meta.constraints if found.name == "operation_one_active_an_order"
        )
        with connection.schema_editor() as editor:
            editor.add_constraint(Operation, constraint)
    assert reconciled.found("I4") == []


@pytest.fixture
def ended(reconciled):
    """A restore that was ended after its exchange had begun."""
    backup = reconciled.backup()
    return Operation.objects.create(
        order=backup.order, kind="restore", state="failed", fence=1, error_code="worker_lost",
        exchange="begun", finished_at=timezone.now(),
    )  # fmt: skip


def test_restore_without_outcome_is_reported_until_another_succeeds(reconciled, ended):
    assert reconciled.found("I7", repair=True) == ["outcome_unknown"]
    reconciled.restore(Backup.objects.get(is_safety=False))
    assert reconciled.found("I7") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"error_code": "source_failed"},
        {"error_code": "sidecar_unavailable"},
        {"exchange": "done"},
        {"exchange": ""},
    ],
    ids=["rolled back", "rolled back and away", "done", "never begun"],
)
def test_restore_with_known_outcome_is_no_finding(changes, reconciled, ended):
    Operation.objects.filter(id=ended.id).update(**changes)
    assert reconciled.found("I7") == []


def test_restore_ended_after_a_day_is_a_finding(reconciled, ended):
    Operation.objects.filter(id=ended.id).update(error_code="sidecar_unavailable", created_at=ago(hours=25))
    assert reconciled.found("I7") == ["outcome_unknown"]


def test_a_check_that_fails_hides_no_other(reconciled, running):
    Operation.objects.update(started_at=ago(hours=25))
    with patch("backups.reconcile.operations._constraint_holds", side_effect=RuntimeError):
        report = reconciled.look("I4")
    assert [blind.why for blind in report.blind] == ["I4: RuntimeError"]
    assert reconciled.codes() == ["operation_overdue"]
