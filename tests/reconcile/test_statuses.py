"""I3: a status without an active operation is found and ended; one with an active operation never is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from accounts.models import AuditEvent
from backups.models import Backup, Finding, OperationBackup, OperationRole
from backups.reconcile.statuses import alone_end
from backups.services.restores import RestoreOptions, backup_restore
from operations.models import Operation
from tests.reconcile.conftest import older
from vault.models import StoredObject

pytestmark = pytest.mark.usefixtures("settled")


def status(backup):
    return Backup.objects.get(id=backup.id).status


@pytest.fixture
def creating(reconciled):
    """A backup whose operation ended without updating its status."""
    backup = reconciled.create()
    StoredObject.objects.create(target=reconciled.target, key=f"backups/{backup.id}.tar.gz", backup_id=backup.id)
    Operation.objects.update(state="failed", error_code="worker_lost", fence=1, finished_at=backup.created_at)
    return backup


@pytest.fixture
def restoring(reconciled):
    backup = reconciled.backup()
    Backup.objects.update(status="restoring")
    return backup


def test_a_create_that_is_over_leaves_no_backup_creating(reconciled, creating):
    assert reconciled.found("I3") == ["creating_alone"]
    assert status(creating) == "creating"
    assert reconciled.found("I3", repair=True) == []
    assert status(creating) == "failed"
    assert Backup.objects.get().completed_at is not None
    assert StoredObject.objects.get().condemned_at is not None
    assert AuditEvent.objects.filter(action="reconcile.creating_alone", object_id=creating.id).exists()


def test_unfinished_safety_backup_ends_as_after_a_failed_restore(reconciled, creating):
    Backup.objects.update(is_safety=True)
    assert reconciled.found("I3", repair=True) == []
    assert not Backup.objects.exists()
    assert StoredObject.objects.get().condemned_at is not None


def test_a_restore_that_is_over_gives_its_backup_back(reconciled, restoring):
    assert reconciled.found("I3") == ["restoring_alone"]
    assert reconciled.found("I3", repair=True) == []
    assert status(restoring) == "ready"


def test_a_delete_that_was_lost_begins_again_and_ends(reconciled):
    backup = reconciled.backup()
    path = reconciled.path(backup)
    Backup.objects.update(deleted_at=backup.created_at)
    assert reconciled.found("I3") == ["delete_lost"]
    assert reconciled.found("I3", repair=True) == []
    reconciled.answer()
    assert not Backup.objects.exists()
    assert not path.exists()


@pytest.mark.parametrize("role", [OperationRole.SUBJECT, OperationRole.SOURCE, OperationRole.SAFETY])
@pytest.mark.parametrize("state", ["queued", "running"])
def test_rows_of_a_live_operation_are_left_alone(role, state, reconciled, creating):
    operation = Operation.objects.create(order=creating.order, kind="restore", state=state, fence=1)
    OperationBackup.objects.create(operation=operation, backup=creating, role=role)
    reconciled.look("I3", repair=True)
    assert status(creating) == "creating"


def test_status_right_after_the_end_is_left_alone(reconciled, creating, monkeypatch):
    monkeypatch.setattr("backups.reconcile.statuses.SETTLED", timedelta(minutes=5))
    older(Backup.objects.all(), created_at=timedelta(hours=1))
    Operation.objects.update(finished_at=Operation.objects.get().created_at)
    assert reconciled.found("I3", repair=True) == []
    older(Operation.objects.all(), finished_at=timedelta(minutes=6))
    assert reconciled.found("I3", repair=True) == []
    assert status(creating) == "failed"


def test_a_repair_looks_again_before_it_acts(reconciled, restoring):
    reconciled.look("I3")
    finding = Finding.objects.get()
    Backup.objects.update(status="ready")
    backup_restore(
        user=reconciled.owner, order_id=restoring.order_id, provision_id=restoring.provision_id,
        backup_id=restoring.id, options=RestoreOptions(), idempotency=None,
    )  # fmt: skip
    assert not alone_end(finding)
    assert status(restoring) == "restoring"
    reconciled.answer()
    assert status(restoring) == "ready"


def test_repair_without_its_order_does_nothing(reconciled, restoring):
    reconciled.look("I3")
    finding = Finding.objects.get()
    with transaction.atomic():
        Backup.objects.all().delete()
    assert not alone_end(finding)


@pytest.mark.parametrize("kind", ["create", "restore", "undo"])
def test_operation_on_a_backup_in_another_status_is_reported(kind, reconciled):
    backup = reconciled.backup()
    operation = Operation.objects.create(order=backup.order, kind=kind)
    OperationBackup.objects.create(operation=operation, backup=backup)
    assert reconciled.found("I3", repair=True) == ["status_behind"]
    operation.delete()
    assert reconciled.found("I3") == []
