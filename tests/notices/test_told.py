"""Backups, restores and storages tell what became of them, each in the transaction that ends it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus
from backups.services.backups import backup_create
from notices.kinds import EventKind
from notices.models import Delivery, Event, Signal
from notices.services.events import failures_in_a_row
from operations.errors import OperationCancelled
from operations.services.operations import operation_fail
from operations.work.lease import operation_succeeds
from operations.work.run import operation_claim
from repository.storage import StorageUnavailable
from tests.factories import EndpointFactory, ScheduleFactory, StoredObjectFactory
from vault.errors import StorageUnavailableError
from vault.services import sweep

K = EventKind


def kinds(**values):
    return list(Event.objects.filter(**values).order_by("created_at").values_list("kind", flat=True))


def signals():
    return list(Delivery.objects.exclude(signal="").order_by("created_at").values_list("signal", flat=True))


def fails(rental, error=None):
    """A create that fails in its worker, which was lost."""
    backup = rental.create()
    operation_fail(operation=backup.operation, error=error or StorageUnavailableError())
    return backup


@pytest.fixture
def with_heartbeat(linked):
    EndpointFactory(order=linked.order, heartbeat=True)
    return linked


def test_backup_restore_undo_and_delete_are_told(with_heartbeat):
    rental = with_heartbeat
    backup = rental.backup()
    assert kinds() == [K.BACKUP_READY]
    event = Event.objects.get()
    assert (event.order, event.subject_id, event.provision_id) == (rental.order, backup.id, rental.server.id)
    assert event.params == {"name": backup.name, "server": rental.server.name, "size_bytes": backup.size_bytes}
    assert signals() == [Signal.START, Signal.SUCCESS]
    rental.restore(backup)
    rental.undo(backup)
    rental.delete(backup)
    assert kinds() == [K.BACKUP_READY, K.RESTORE_SUCCEEDED, K.RESTORE_UNDONE, K.BACKUP_DELETED]


def test_failed_backup_is_told_with_its_reason_and_the_storage(rental):
    EndpointFactory(order=rental.order, heartbeat=True)
    backup = fails(rental)
    assert sorted(kinds(order=rental.order)) == [K.BACKUP_FAILED, K.TARGET_UNREACHABLE]
    assert kinds(order=None) == [K.TARGET_UNREACHABLE]
    failed = Event.objects.get(kind=K.BACKUP_FAILED)
    assert (failed.code, failed.subject_id) == ("storage_unavailable", backup.id)
    assert "could not be reached" in failed.sentence
    assert signals() == [Signal.FAILURE]
    # The next failure within the hour says nothing new of the storage.
    fails(rental)
    assert kinds(order=None) == [K.TARGET_UNREACHABLE]


def test_failures_in_a_row_are_told_at_the_third_and_the_end_of_them(rental):
    for _ in range(4):
        fails(rental)
    assert kinds(kind=K.BACKUP_FAILING) == [K.BACKUP_FAILING]
    assert Event.objects.get(kind=K.BACKUP_FAILING).params["count"] == 3
    for _ in range(9):
        fails(rental)
    assert len(kinds(kind=K.BACKUP_FAILING)) == 2
    assert failures_in_a_row(order=rental.order, provision_id=rental.server.id) == 13


def test_recovery_is_told_once(linked):
    fails(linked)
    linked.backup()
    assert kinds()[-2:] == [K.BACKUP_READY, K.BACKUP_RECOVERED]
    linked.backup()
    assert kinds().count(K.BACKUP_RECOVERED) == 1


def test_cancelled_backup_is_no_failure_but_no_success_either(rental):
    EndpointFactory(order=rental.order, heartbeat=True)
    backup = fails(rental, OperationCancelled())
    backup.refresh_from_db()
    assert (backup.status, kinds(), signals()) == (BackupStatus.FAILED, [], [Signal.FAILURE])


def test_failed_restore_is_told(rental):
    backup = rental.stored()
    rental.restore_ask(backup)
    backup.refresh_from_db()
    operation_fail(operation=backup.operation, error=StorageUnavailableError())
    assert K.RESTORE_FAILED in kinds(order=rental.order)


def test_the_marks_of_the_limit_are_told_when_they_are_passed(linked):
    plan = linked.order.plan
    plan.backup_limit = 5
    plan.save()
    percents = []
    for _ in range(5):
        linked.backup()
        percents = [event.params["percent"] for event in Event.objects.filter(kind=K.LIMIT_NEAR).order_by("created_at")]
    assert percents == [80, 100]


def test_the_limit_of_bytes_is_told(linked):
    first = linked.backup()
    plan = linked.order.plan
    plan.byte_limit = int(first.content_bytes * 2.4)
    plan.save()
    linked.backup()
    (event,) = Event.objects.filter(kind=K.LIMIT_NEAR)
    assert (event.params["percent"], event.params["limit_bytes"]) == (80, plan.byte_limit)
    assert "80 %" in event.sentence


def test_nothing_is_told_of_an_end_that_is_rolled_back(rental, monkeypatch):
    backup = rental.create()

    def broken(**_values):
        raise RuntimeError

    monkeypatch.setattr("operations.services.operations.audit_record", broken)
    with pytest.raises(RuntimeError):
        operation_fail(operation=backup.operation, error=StorageUnavailableError())
    assert kinds() == []


def test_sweep_of_a_storage_that_is_away_tells_staff(rental, monkeypatch):
    def away(*_args):
        raise StorageUnavailable

    monkeypatch.setattr(sweep, "object_delete", away)
    StoredObjectFactory(target=rental.target, condemned_at=timezone.now())
    sweep.storage_sweep()
    assert kinds(order=None) == [K.TARGET_UNREACHABLE]
    assert Event.objects.get().params == {"name": rental.target.name}


def test_run_without_a_backup_signals_the_heartbeat_of_its_schedule(rental):
    schedule = ScheduleFactory(order=rental.order, provision=rental.server)
    EndpointFactory(order=rental.order, heartbeat=True, schedule_id=schedule.id)
    backup = backup_create(
        user=None, order_id=rental.order.id, provision_id=rental.server.id, name="x", schedule=schedule.id,
        idempotency=None,
    )  # fmt: skip
    operation = operation_claim(backup.operation_id)
    with operation_succeeds(operation):
        Backup.objects.filter(id=backup.id).delete()  # nothing had changed
    assert signals() == [Signal.SUCCESS]
