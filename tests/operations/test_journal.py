"""A restore whose exchange may have begun ends only by the answer of the sidecar's journal."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus
from backups.services import sidecars
from backups.services.restores import RestoreOptions, backup_restore
from backups.work import exchange_outcome, restore
from operations.models import Operation, OperationState
from operations.services.operations import operation_cancel, operation_finish
from operations.supervision.supervisor import _claimable
from operations.work.run import operation_answer
from tests.operations.scripted import ScriptedSidecar, away, says
from vault.models import Asset
from wire.enums import OutcomeKind

pytestmark = pytest.mark.django_db

NONE, COMPLETED = says(OutcomeKind.NONE), says(OutcomeKind.COMPLETED)
CONTENT = b"an archive"


@pytest.fixture
def restoring(rental, monkeypatch):
    """A queued restore of a stored backup, and a function that runs a worker with a scripted sidecar."""
    monkeypatch.setattr(exchange_outcome, "JOURNAL_WAIT_SECONDS", 0.0)
    backup = rental.create()
    operation_finish(operation=Operation.objects.get(), state=OperationState.SUCCEEDED)
    root = rental.root
    (root / "backups").mkdir(parents=True)
    (root / "backups" / "one").write_bytes(CONTENT)
    asset = Asset.objects.create(
        customer=rental.order.customer, target=rental.target, key="backups/one", sealed=False, size_bytes=len(CONTENT),
        stored_bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), content_type="application/gzip",
    )  # fmt: skip
    Backup.objects.update(status=BackupStatus.READY, asset=asset, size_bytes=len(CONTENT), completed_at=timezone.now())
    backup_restore(
        user=rental.owner, order_id=rental.order.id, provision_id=rental.server.id, backup_id=backup.id,
        options=RestoreOptions(safety=False), idempotency=None,
    )  # fmt: skip

    def work(sidecar: ScriptedSidecar) -> Operation:
        Operation.objects.filter(kind="restore").update(not_before=None)
        monkeypatch.setattr(sidecars, "SidecarClient", sidecar)
        operation_answer(Operation.objects.get(kind="restore").id)
        return Operation.objects.get(kind="restore")

    return work


def interrupted(work):
    """Run a worker's attempt that breaks off in the middle of the exchange."""
    operation = work(ScriptedSidecar(outcomes=[NONE], extract=away))
    assert operation.state == OperationState.QUEUED
    return operation


def test_a_sidecar_that_stays_away_after_the_exchange_began_is_asked_again(restoring):
    interrupted(restoring)
    operation = restoring(ScriptedSidecar(outcomes=[away]))
    assert operation.state == OperationState.QUEUED
    assert operation.not_before > timezone.now()
    assert Backup.objects.get().status == BackupStatus.RESTORING
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


@pytest.mark.parametrize("code", ["not_enough_space", "archive_refused", "source_failed"])
def test_rolled_back_exchange_fails_with_its_reason_and_keeps_the_backup(restoring, code):
    interrupted(restoring)
    sidecar = ScriptedSidecar(outcomes=[says(OutcomeKind.ROLLED_BACK, code)])
    operation = restoring(sidecar)
    assert (operation.state, operation.error_code) == (OperationState.FAILED, code)
    assert Backup.objects.get().status == BackupStatus.READY
    assert sidecar.releases == 1


def test_missing_sidecar_before_the_start_fails_the_restore_at_once(restoring):
    operation = restoring(ScriptedSidecar(outcomes=[away]))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "sidecar_unavailable")
    assert Backup.objects.get().status == BackupStatus.READY


def test_cancel_does_not_end_a_queued_restore_after_a_possible_exchange(restoring, rental):
    operation_cancel(user=rental.owner, operation=interrupted(restoring))
    assert Operation.objects.get(kind="restore").state == OperationState.QUEUED
    assert Backup.objects.get().status == BackupStatus.RESTORING
    assert restoring(ScriptedSidecar(outcomes=[away])).state == OperationState.QUEUED
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


def test_cancelled_restore_ends_when_the_journal_reports_no_exchange(restoring, rental):
    operation_cancel(user=rental.owner, operation=interrupted(restoring))
    assert restoring(ScriptedSidecar(outcomes=[NONE])).error_code == "cancelled"


def test_sidecar_lost_right_after_the_exchange_causes_no_failure(restoring):
    assert restoring(ScriptedSidecar(outcomes=[NONE, away])).state == OperationState.QUEUED
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


def test_unanswered_release_causes_no_failure(restoring):
    assert restoring(ScriptedSidecar(outcomes=[NONE, COMPLETED], release=away)).state == OperationState.QUEUED


def test_an_exchange_that_was_released_but_not_recorded_is_not_done_twice(restoring, monkeypatch):
    with monkeypatch.context() as broken:

        def die(*_: object) -> None:
            raise SystemExit

        broken.setattr(restore, "_commit", die)
        with pytest.raises(SystemExit):
            restoring(ScriptedSidecar(outcomes=[NONE, COMPLETED]))
    Operation.objects.filter(kind="restore").update(state=OperationState.QUEUED)
    sidecar = ScriptedSidecar(outcomes=[])
    assert restoring(sidecar).state == OperationState.SUCCEEDED
    assert sidecar.extractions == 0


def test_restore_without_its_sidecar_is_ended_after_a_day(restoring):
    interrupted(restoring)
    Operation.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    operation = restoring(ScriptedSidecar(outcomes=[away]))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "sidecar_unavailable")
    assert Backup.objects.get().status == BackupStatus.READY


def test_restore_with_an_endless_exchange_is_ended_after_a_day(restoring):
    interrupted(restoring)
    Operation.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    restoring(ScriptedSidecar(outcomes=[says(OutcomeKind.RUNNING)], extract=away))
    assert Operation.objects.get(kind="restore").state == OperationState.FAILED
    assert not [operation for operation in _claimable() if operation.kind == "restore"]
