"""I4 and I7: operations that stopped, that run too long, that exclude nobody, and those that ended without a word."""

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
def running(world):
    """A create that a worker has claimed and then left."""
    world.shop.create()
    claimed = operation_claim(Operation.objects.get().id)
    assert claimed is not None
    return claimed


class Clock:
    """Time that passes when somebody waits for it."""

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


def test_a_heartbeat_that_stands_for_a_lease_is_found_and_the_work_begins_anew(world, running):
    clock = Clock()
    assert world.found("I4", heartbeats=heartbeats(clock)) == ["heartbeat_standing"]
    assert clock.waited == LEASE_SECONDS
    assert Operation.objects.get().state == "running"
    assert world.found("I4", heartbeats=heartbeats(), repair=True) == []
    assert Operation.objects.get().state == "queued"
    world.answer()
    assert Backup.objects.get().status == "ready"


def test_after_three_attempts_it_is_ended_with_an_explanation(world, running):
    Operation.objects.update(attempts=3)
    assert world.found("I4", heartbeats=heartbeats(), repair=True) == []
    operation = Operation.objects.get()
    assert (operation.state, operation.error_code) == ("failed", "worker_lost")
    assert Backup.objects.get().status == "failed"


def test_a_heartbeat_that_moves_is_no_finding(world, running):
    clock = Clock()

    def beats(seconds):
        Operation.objects.update(heartbeat=running.heartbeat + 1)

    moving = Heartbeats(monotonic=clock.monotonic, pause=beats)
    assert world.found("I4", heartbeats=moving, repair=True) == []
    assert Operation.objects.get().state == "running"


def test_one_that_moves_after_all_is_gone_and_not_repaired(world, running):
    assert world.found("I4", heartbeats=heartbeats()) == ["heartbeat_standing"]
    Operation.objects.update(heartbeat=running.heartbeat + 1)
    assert world.found("I4", repair=True) == []
    assert Operation.objects.get().state == "running"


def test_where_nothing_runs_nobody_waits(world):
    def never(seconds):
        raise AssertionError("waited")

    assert Heartbeats(pause=never).standing() == {}


def test_an_operation_that_runs_for_more_than_a_day_is_ended(world, running):
    Operation.objects.update(started_at=ago(hours=25))
    assert world.found("I4") == ["operation_overdue"]
    assert world.found("I4", repair=True) == []
    operation = Operation.objects.get()
    assert (operation.state, operation.error_code) == ("failed", "timed_out")
    assert Backup.objects.get().status == "failed"


def test_one_that_may_have_exchanged_files_ends_by_the_journals_word_alone(world, running):
    Operation.objects.update(started_at=ago(hours=25), kind="restore", exchange="begun")
    assert world.found("I4", repair=True) == ["operation_overdue"]
    assert Operation.objects.get().state == "running"


@pytest.mark.parametrize(("kind", "hours"), [("delete", 99), ("create", 23)])
def test_what_may_run_for_so_long_is_no_finding(kind, hours, world, running):
    Operation.objects.update(started_at=ago(hours=hours), kind=kind)
    assert world.found("I4", repair=True) == []
    assert Operation.objects.get().state == "running"


def test_hold_may_last_longer_than_a_day(world):
    order_reprovision(user=world.shop.owner, order_id=world.shop.order.id, idempotency=None)
    Operation.objects.update(started_at=ago(hours=25), expires_at=ago(hours=-1))
    assert world.found("I4", repair=True) == []
    assert Operation.objects.get().state == "running"


def test_what_no_worker_takes_for_a_day_is_said_and_left(world):
    world.shop.create()
    assert world.found("I4") == []
    Operation.objects.update(created_at=ago(hours=25))
    assert world.found("I4", repair=True) == ["operation_unclaimed"]
    assert Operation.objects.get().state == "queued"
    Operation.objects.update(not_before=ago(hours=-1))
    assert world.found("I4") == []


def test_a_hold_that_has_run_out_is_released(world):
    order_reprovision(user=world.shop.owner, order_id=world.shop.order.id, idempotency=None)
    assert world.found("I4", repair=True) == []
    Operation.objects.update(expires_at=ago(minutes=6))
    assert world.found("I4") == ["hold_expired"]
    assert world.found("I4", repair=True) == []
    assert Operation.objects.get().state == "succeeded"
    assert world.shop.create().status == "creating"


def test_without_the_databases_own_rule_it_is_said_and_so_is_what_breaks_it(world):
    world.shop.create()
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX operation_one_active_an_order")
    try:
        assert world.found("I4", repair=True) == ["constraint_missing"]
        second = Operation.objects.create(order=world.shop.order, kind="restore", exclusive=True)
        assert world.found("I4", repair=True) == ["active_twice", "constraint_missing"]
        assert Finding.objects.get(code="active_twice").params == {"count": 2}
        second.delete()
    finally:
        (constraint,) = (
            found for found in Operation._meta.constraints if found.name == "operation_one_active_an_order"
        )
        with connection.schema_editor() as editor:
            editor.add_constraint(Operation, constraint)
    assert world.found("I4") == []


@pytest.fixture
def ended(world):
    """A restore that was given up after its exchange had begun."""
    backup = world.backup()
    return Operation.objects.create(
        order=backup.order, kind="restore", state="failed", fence=1, error_code="worker_lost",
        exchange="begun", finished_at=timezone.now(),
    )  # fmt: skip


def test_a_restore_that_ended_without_the_journals_word_is_said_until_another_one_succeeds(world, ended):
    assert world.found("I7", repair=True) == ["outcome_unknown"]
    world.restore(Backup.objects.get(is_safety=False))
    assert world.found("I7") == []


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
def test_one_whose_outcome_is_known_is_not(changes, world, ended):
    Operation.objects.filter(id=ended.id).update(**changes)
    assert world.found("I7") == []


def test_one_that_was_given_up_after_a_day_is(world, ended):
    Operation.objects.filter(id=ended.id).update(error_code="sidecar_unavailable", created_at=ago(hours=25))
    assert world.found("I7") == ["outcome_unknown"]


def test_a_check_that_fails_hides_no_other(world, running):
    Operation.objects.update(started_at=ago(hours=25))
    with patch("backups.reconcile.operations._constraint_holds", side_effect=RuntimeError):
        report = world.look("I4")
    assert [blind.why for blind in report.blind] == ["I4: RuntimeError"]
    assert world.codes() == ["operation_overdue"]
