"""Claims, leases, fences and attempts, on a clock that the test moves."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.errors import SidecarUnavailableError
from backups.models import Backup, BackupStatus
from backups.services.reprovision import order_reprovision
from backups.work.exchange_outcome import exchange_note
from operations.errors import StatusConflict
from operations.kinds import ATTEMPTS
from operations.models import ExchangeState, Operation, OperationState
from operations.services.operations import operation_cancel, operation_fail, operation_finish, operation_requeue
from operations.supervision.expired_leases import CANCEL_SECONDS, CancelJudge, LeaseJudge, holds_expire, operation_lost
from operations.work import lease as lease_module
from operations.work.lease import LEASE_SECONDS, FenceLost, Lease
from operations.work.run import operation_answer, operation_claim
from orders.errors import BackupInProgress, OrderSuspended, PlanHasNoBackups
from orders.services.suspension import order_suspend
from provisions.errors import NoSidecar, NotAPrimaryDeployment
from provisions.models import Provision, ProvisionKind
from vault.models import StoredObject

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def judged():
    clock = Clock()
    return LeaseJudge(monotonic=clock), clock


def claimed(rental):
    rental.create()
    operation = operation_claim(Operation.objects.get().id)
    assert operation is not None
    return operation


def test_a_heartbeat_that_moves_keeps_the_lease(rental, judged):
    judge, clock = judged
    operation = claimed(rental)
    for beat in range(5):
        assert judge.judge() == []
        Operation.objects.filter(id=operation.id).update(heartbeat=beat + 100)
        clock.now += LEASE_SECONDS
    assert Operation.objects.get().state == OperationState.RUNNING


def test_operation_with_an_expired_lease_is_requeued(rental, judged):
    judge, clock = judged
    operation = claimed(rental)
    assert judge.judge() == []
    clock.now += LEASE_SECONDS - 0.1
    assert judge.judge() == []
    clock.now += 0.1
    assert judge.judge() == [operation.id]
    row = Operation.objects.get()
    assert (row.state, row.fence, row.attempts) == (OperationState.QUEUED, 1, 1)


def test_a_supervisor_that_just_started_steals_nothing(rental, judged):
    _, clock = judged
    claimed(rental)
    Operation.objects.update(
        created_at=timezone.now() - timedelta(days=2), started_at=timezone.now() - timedelta(days=2)
    )
    clock.now += 10 * LEASE_SECONDS
    assert LeaseJudge(monotonic=clock).judge() == []


def test_the_late_worker_changes_nothing_after_another_took_over(rental, judged):
    judge, clock = judged
    late = claimed(rental)
    judge.judge()
    clock.now += LEASE_SECONDS
    judge.judge()
    new = operation_claim(late.id)
    assert new is not None
    assert new.fence == late.fence + 1

    assert operation_finish(operation=late, state=OperationState.SUCCEEDED) is False
    assert operation_fail(operation=late, error=SidecarUnavailableError()) is False
    assert operation_requeue(operation=late, counts=True) is False
    assert Operation.objects.get().state == OperationState.RUNNING
    assert Backup.objects.get().status == BackupStatus.CREATING


def test_operation_losing_every_worker_ends_after_three_attempts(rental, judged):
    judge, clock = judged
    rental.create()
    for attempt in range(ATTEMPTS):
        operation = operation_claim(Operation.objects.get().id)
        assert operation is not None, attempt
        judge.judge()
        clock.now += LEASE_SECONDS
        judge.judge()
    operation = Operation.objects.get()
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "worker_lost")
    assert Backup.objects.get().status == BackupStatus.FAILED
    rental.create()


def test_a_drained_attempt_is_not_counted(rental):
    operation = claimed(rental)
    assert operation_requeue(operation=operation, counts=False)
    assert Operation.objects.get().attempts == 0


def test_task_for_a_finished_operation_does_nothing(rental):
    operation = claimed(rental)
    operation_fail(operation=operation, error=SidecarUnavailableError())
    before = Operation.objects.values().get()
    operation_answer(operation.id)
    assert Operation.objects.values().get() == before


def test_failed_create_marks_its_objects_for_deletion(rental):
    operation = claimed(rental)
    backup = Backup.objects.get()
    StoredObject.objects.create(target=rental.target, key=f"backups/{backup.id}.tar.gz", backup_id=backup.id)
    operation_fail(operation=operation, error=SidecarUnavailableError())
    assert StoredObject.objects.get().condemned_at is not None


def test_a_queued_create_is_cancelled_at_once(rental):
    rental.create()
    operation = operation_cancel(user=rental.owner, operation=Operation.objects.get())
    assert (operation.state, operation.error_code) == (OperationState.CANCELLED, "cancelled")
    assert Backup.objects.get().status == BackupStatus.FAILED
    with pytest.raises(StatusConflict):
        operation_cancel(user=rental.owner, operation=operation)


def test_a_reprovision_excludes_creates_until_it_is_released(rental):
    hold = order_reprovision(user=rental.owner, order_id=rental.order.id, idempotency=None)
    with pytest.raises(Exception, match="operation_in_progress"):
        rental.create()
    with pytest.raises(BackupInProgress):
        order_reprovision(user=rental.owner, order_id=rental.order.id, idempotency=None)
    assert operation_cancel(user=rental.owner, operation=hold).state == OperationState.SUCCEEDED
    rental.create()


def test_unreleased_reprovision_expires(rental):
    order_reprovision(user=rental.owner, order_id=rental.order.id, idempotency=None)
    assert holds_expire() == 0
    Operation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert holds_expire() == 1
    rental.create()


def test_a_running_create_excludes_a_reprovision(rental):
    claimed(rental)
    with pytest.raises(BackupInProgress):
        order_reprovision(user=rental.owner, order_id=rental.order.id, idempotency=None)


def test_worker_checks_the_rules_of_a_waiting_create_again(rental):
    rental.create()
    order_suspend(order=rental.order, since=timezone.now(), actor=None)
    operation_answer(Operation.objects.get().id)
    assert Operation.objects.get().error_code == "order_suspended"


def test_each_rule_of_a_create_refuses_with_its_own_code(rental):
    order_suspend(order=rental.order, since=timezone.now(), actor=None)
    with pytest.raises(OrderSuspended):
        rental.create()
    order_suspend(order=rental.order, since=None, actor=None)

    plan = rental.order.plan
    type(plan).objects.update(has_backups=False)
    with pytest.raises(PlanHasNoBackups):
        rental.create()
    type(plan).objects.update(has_backups=True)

    Provision.objects.filter(kind=ProvisionKind.SIDECAR).delete()
    with pytest.raises(NoSidecar):
        rental.create()
    Provision.objects.update(is_primary=False)
    with pytest.raises(NotAPrimaryDeployment):
        rental.create()
    assert not Backup.objects.exists()
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Backup, {"status": "ready"}),
        (Backup, {"status": "sleeping"}),
        (Backup, {"deleted_at": timezone.now()}),
        (Operation, {"state": "failed", "finished_at": timezone.now()}),
        (Operation, {"state": "succeeded"}),
        (Operation, {"state": "running", "fence": 0}),
        (Operation, {"scope": "portal"}),
        (Operation, {"scope": "target"}),
        (Operation, {"scope": "order", "order": None}),
        (Operation, {"scope": "target", "order": None, "scope_id": uuid4()}),
        (Operation, {"scope": "order", "scope_id": uuid4()}),
        (Operation, {"exchange": "dreamt"}),
    ],
)
def test_the_database_refuses_rows_that_contradict_themselves(rental, model, values):
    rental.create()
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**values)


def test_a_count_that_no_column_holds_costs_no_heartbeat(rental, monkeypatch):
    monkeypatch.setattr(lease_module, "BEAT_SECONDS", 0.01)
    operation = claimed(rental)
    lease = Lease(operation)
    lease.progress(bytes_done=2**64 - 1, bytes_total=2**64 - 1, phase="packing")
    with monkeypatch.context() as one_thread:
        # The rows belong to the test's own transaction: another thread could not see them.
        one_thread.setattr(lease._stop, "wait", lambda _: lease._bytes_done == Operation.objects.get().bytes_done)
        lease._beats()
    assert Operation.objects.get().heartbeat == operation.heartbeat + 1


def test_cancelled_create_without_a_worker_ends_as_cancelled(rental):
    operation = claimed(rental)
    operation_cancel(user=rental.owner, operation=operation)
    operation_requeue(operation=operation, counts=True)
    operation_answer(operation.id)
    row = Operation.objects.get()
    assert (row.state, row.error_code) == (OperationState.CANCELLED, "cancelled")


def test_ignored_cancel_ends_the_operation_and_its_worker_loses_it(rental):
    clock = Clock()
    judge = CancelJudge(monotonic=clock)
    operation = claimed(rental)
    assert judge.enforce() == []
    operation_cancel(user=rental.owner, operation=operation)
    assert judge.enforce() == []
    clock.now += CANCEL_SECONDS
    assert judge.enforce() == [operation.id]
    assert Operation.objects.get().error_code == "cancelled"
    assert operation_finish(operation=operation, state=OperationState.SUCCEEDED) is False
    rental.create()


def test_cancel_never_ends_a_restore_after_a_possible_exchange(rental):
    clock = Clock()
    judge = CancelJudge(monotonic=clock)
    operation = claimed(rental)
    Operation.objects.update(exchange="begun", cancel_requested_at=timezone.now())
    judge.enforce()
    clock.now += 10 * CANCEL_SECONDS
    assert judge.enforce() == []
    assert Operation.objects.get(id=operation.id).state == OperationState.RUNNING


def test_slow_worker_that_noted_an_exchange_is_not_judged_by_a_stale_row(rental):
    operation = claimed(rental)
    Operation.objects.update(attempts=ATTEMPTS)
    read_before = Operation.objects.get()
    exchange_note(operation, ExchangeState.BEGUN)

    assert operation_lost(read_before)

    row = Operation.objects.get()
    assert (row.state, row.exchange) == (OperationState.QUEUED, ExchangeState.BEGUN)
    with pytest.raises(FenceLost):
        exchange_note(operation, ExchangeState.DONE)
