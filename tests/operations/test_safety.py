"""Safety backups: ownership, limits, expiry, and the undo of a restore."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups import kinds
from backups.errors import NothingToUndo
from backups.models import Backup, BackupStatus, OperationBackup, OperationRole
from backups.selectors import backups_counted, backups_of, restore_undoable
from backups.services.backups import backup_delete
from backups.services.restores import RestoreOptions, backup_restore, restore_undo
from backups.services.safety import safety_begin, safety_expire
from operations.errors import OperationCancelled, StatusConflict
from operations.models import Operation, OperationState
from operations.services.operations import operation_fail, operation_finish
from orders.models import Plan
from tests.factories import AssetFactory, BackupFactory
from vault.models import StoredObject


@pytest.fixture
def stored(rental):
    """A ready backup of the rental's server."""
    return BackupFactory(provision=rental.server, name="Nightly", asset__customer=rental.order.customer)


def restored(rental, backup, **options):
    """Request a restore; returns its operation."""
    backup_restore(
        user=rental.owner, order_id=rental.order.id, provision_id=rental.server.id, backup_id=backup.id,
        options=RestoreOptions(**options), idempotency=None,
    )  # fmt: skip
    return Operation.objects.select_related("order__plan", "requested_by").get(
        kind=kinds.RESTORE.name, state=OperationState.QUEUED
    )


def undone(rental, backup):
    return restore_undo(
        user=rental.owner,
        order_id=rental.order.id,
        provision_id=rental.server.id,
        backup_id=backup.id,
        idempotency=None,
    )


def made(safety):
    """Mark a safety backup as stored."""
    asset = AssetFactory(customer=safety.order.customer)
    Backup.objects.filter(id=safety.id).update(
        status=BackupStatus.READY, asset=asset, size_bytes=1, completed_at=timezone.now()
    )
    return Backup.objects.get(id=safety.id)


def ended(operation):
    """Complete the exchange; returns the operation in its new state."""
    assert operation_finish(operation=operation, state=OperationState.SUCCEEDED)
    Backup.objects.filter(status=BackupStatus.RESTORING).update(status=BackupStatus.READY)
    return Operation.objects.get(id=operation.id)


def begun(operation):
    return safety_begin(operation=operation, fence_hold=lambda: None)


def restored_whole(rental, backup):
    """Run a restore with its safety backup, from the request to the end."""
    operation = restored(rental, backup)
    safety = made(begun(operation))
    ended(operation)
    return safety


def test_plan_decides_on_the_safety_backup(rental, stored):
    assert restored(rental, stored).params == {"mode": "replace", "safety": True, "server": "auto"}


@pytest.mark.parametrize(("hours", "wanted"), [(0, True), (48, False), (0, False)])
def test_without_wish_or_without_the_plan_none_is_made(hours, wanted, rental, stored):
    Plan.objects.update(safety_hours=hours)
    assert restored(rental, stored, safety=wanted).params["safety"] is False


def test_second_attempt_continues_the_same_safety_backup(rental, stored):
    operation = restored(rental, stored)
    first = begun(operation)
    assert first.name == "Before the restore of Nightly"
    assert begun(operation) == first
    assert Backup.objects.filter(is_safety=True).count() == 1


def test_its_name_fits_however_long_the_backups_name_is(rental, stored):
    Backup.objects.filter(id=stored.id).update(name="n" * 100)
    safety = begun(restored(rental, stored))
    assert len(safety.name) == 100
    assert safety.name.endswith("n…")


def test_safety_backup_is_listed_only_when_ready_and_never_counts(rental, stored):
    safety = begun(restored(rental, stored))
    rows = backups_of(user=rental.owner, order_id=rental.order.id, provision_id=rental.server.id)
    assert set(rows) == {stored}
    made(safety)
    assert set(rows.all()) == {stored, safety}
    assert backups_counted(rental.server) == 1


def test_unfinished_safety_backup_leaves_nothing_behind(rental, stored):
    operation = restored(rental, stored)
    safety = begun(operation)
    StoredObject.objects.create(target=rental.target, key="backups/x", backup_id=safety.id)
    assert operation_fail(operation=operation, error=OperationCancelled())
    assert not Backup.objects.filter(is_safety=True).exists()
    assert StoredObject.objects.get().condemned_at is not None
    assert Backup.objects.get(id=stored.id).status == BackupStatus.READY


def test_finished_safety_backup_outlives_a_failed_restore(rental, stored):
    operation = restored(rental, stored)
    safety = made(begun(operation))
    assert operation_fail(operation=operation, error=OperationCancelled())
    assert Backup.objects.get(id=safety.id).status == BackupStatus.READY


def test_expired_safety_backup_is_deleted(rental, stored):
    safety = restored_whole(rental, stored)
    assert timedelta(hours=47) < safety.expires_at - timezone.now() <= timedelta(hours=48)
    assert safety_expire() == 0
    Backup.objects.filter(id=safety.id).update(expires_at=timezone.now())
    assert safety_expire() == 1
    assert Backup.objects.get(id=safety.id).deleted_at is not None
    assert Operation.objects.get(kind=kinds.DELETE.name).requested_by is None
    assert safety_expire() == 0


def test_a_locked_one_stays(rental, stored):
    safety = restored_whole(rental, stored)
    Backup.objects.filter(id=safety.id).update(expires_at=timezone.now(), locked=True)
    assert safety_expire() == 0


def test_safety_backup_in_use_stays(rental, stored):
    safety = restored_whole(rental, stored)
    undone(rental, stored)
    Backup.objects.filter(id=safety.id).update(expires_at=timezone.now())
    assert safety_expire() == 0


def test_an_undo_brings_the_safety_backup_back_and_holds_both(rental, stored):
    safety = restored_whole(rental, stored)
    assert undone(rental, stored).status == BackupStatus.RESTORING
    undo = Operation.objects.get(kind=kinds.UNDO.name)
    assert undo.params == {"mode": "replace", "safety": True, "server": "auto"}
    assert set(OperationBackup.objects.filter(operation=undo).values_list("backup", "role")) == {
        (stored.id, OperationRole.SUBJECT),
        (safety.id, OperationRole.SOURCE),
    }
    with pytest.raises(StatusConflict):
        backup_delete(user=rental.owner, backup=safety)
    assert operation_fail(operation=undo, error=OperationCancelled())
    assert set(Backup.objects.values_list("status", flat=True)) == {BackupStatus.READY}


def test_an_undo_is_not_undone(rental, stored):
    restored_whole(rental, stored)
    undone(rental, stored)
    ended(Operation.objects.get(kind=kinds.UNDO.name))
    with pytest.raises(NothingToUndo):
        undone(rental, stored)


def test_only_the_newest_restore_of_the_server_can_be_taken_back(rental, stored):
    other = BackupFactory(provision=rental.server, asset__customer=rental.order.customer)
    restored_whole(rental, stored)
    newer = restored_whole(rental, other)
    with pytest.raises(NothingToUndo):
        undone(rental, stored)
    found = restore_undoable(rental.server)
    assert (found.backup_id, found.source) == (other.id, newer)


def test_a_restore_that_failed_hides_none_that_succeeded(rental, stored):
    safety = restored_whole(rental, stored)
    assert operation_fail(operation=restored(rental, stored), error=OperationCancelled())
    assert restore_undoable(rental.server).source == safety


@pytest.mark.parametrize("gone", ["deleted", "never made"])
def test_without_its_safety_backup_there_is_nothing_to_undo(gone, rental, stored):
    operation = restored(rental, stored, safety=gone == "deleted")
    if gone == "deleted":
        safety = made(begun(operation))
        ended(operation)
        backup_delete(user=rental.owner, backup=safety)
    else:
        ended(operation)
    with pytest.raises(NothingToUndo):
        undone(rental, stored)
