"""The backup that a restore makes first: whose it is, when it counts, when it goes, and what it takes back."""

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
def stored(shop):
    """A ready backup of the shop's server."""
    return BackupFactory(provision=shop.server, name="Nightly", asset__customer=shop.order.customer)


def restored(shop, backup, **options):
    """Ask for a restore; its operation."""
    backup_restore(
        user=shop.owner, order_id=shop.order.id, provision_id=shop.server.id, backup_id=backup.id,
        options=RestoreOptions(**options), idempotency=None,
    )  # fmt: skip
    return Operation.objects.select_related("order__plan", "requested_by").get(
        kind=kinds.RESTORE.name, state=OperationState.QUEUED
    )


def undone(shop, backup):
    return restore_undo(
        user=shop.owner, order_id=shop.order.id, provision_id=shop.server.id, backup_id=backup.id, idempotency=None
    )


def made(safety):
    """As when its archive is in storage."""
    asset = AssetFactory(customer=safety.order.customer)
    Backup.objects.filter(id=safety.id).update(
        status=BackupStatus.READY, asset=asset, size_bytes=1, completed_at=timezone.now()
    )
    return Backup.objects.get(id=safety.id)


def ended(operation):
    """As when the exchange is done; the row as it is then."""
    assert operation_finish(operation=operation, state=OperationState.SUCCEEDED)
    Backup.objects.filter(status=BackupStatus.RESTORING).update(status=BackupStatus.READY)
    return Operation.objects.get(id=operation.id)


def begun(operation):
    return safety_begin(operation=operation, fence_hold=lambda: None)


def restored_whole(shop, backup):
    """A restore with its safety backup, from the button to the end."""
    operation = restored(shop, backup)
    safety = made(begun(operation))
    ended(operation)
    return safety


def test_what_a_restore_keeps_is_said_by_the_plan(shop, stored):
    assert restored(shop, stored).params == {"mode": "replace", "safety": True, "server": "auto"}


@pytest.mark.parametrize(("hours", "wanted"), [(0, True), (48, False), (0, False)])
def test_without_wish_or_without_the_plan_none_is_made(hours, wanted, shop, stored):
    Plan.objects.update(safety_hours=hours)
    assert restored(shop, stored, safety=wanted).params["safety"] is False


def test_a_second_attempt_goes_on_with_the_same_one(shop, stored):
    operation = restored(shop, stored)
    first = begun(operation)
    assert first.name == "Before the restore of Nightly"
    assert begun(operation) == first
    assert Backup.objects.filter(is_safety=True).count() == 1


def test_its_name_fits_however_long_the_backups_name_is(shop, stored):
    Backup.objects.filter(id=stored.id).update(name="n" * 100)
    safety = begun(restored(shop, stored))
    assert len(safety.name) == 100
    assert safety.name.endswith("n…")


def test_it_is_listed_only_when_it_is_whole_and_never_counts(shop, stored):
    safety = begun(restored(shop, stored))
    rows = backups_of(user=shop.owner, order_id=shop.order.id, provision_id=shop.server.id)
    assert set(rows) == {stored}
    made(safety)
    assert set(rows.all()) == {stored, safety}
    assert backups_counted(shop.server) == 1


def test_one_that_was_not_finished_leaves_nothing_behind(shop, stored):
    operation = restored(shop, stored)
    safety = begun(operation)
    StoredObject.objects.create(target=shop.target, key="backups/x", backup_id=safety.id)
    assert operation_fail(operation=operation, error=OperationCancelled())
    assert not Backup.objects.filter(is_safety=True).exists()
    assert StoredObject.objects.get().condemned_at is not None
    assert Backup.objects.get(id=stored.id).status == BackupStatus.READY


def test_one_that_was_finished_stays_when_the_restore_fails_later(shop, stored):
    operation = restored(shop, stored)
    safety = made(begun(operation))
    assert operation_fail(operation=operation, error=OperationCancelled())
    assert Backup.objects.get(id=safety.id).status == BackupStatus.READY


def test_it_goes_when_its_time_is_over(shop, stored):
    safety = restored_whole(shop, stored)
    assert timedelta(hours=47) < safety.expires_at - timezone.now() <= timedelta(hours=48)
    assert safety_expire() == 0
    Backup.objects.filter(id=safety.id).update(expires_at=timezone.now())
    assert safety_expire() == 1
    assert Backup.objects.get(id=safety.id).deleted_at is not None
    assert Operation.objects.get(kind=kinds.DELETE.name).requested_by is None
    assert safety_expire() == 0


def test_a_locked_one_stays(shop, stored):
    safety = restored_whole(shop, stored)
    Backup.objects.filter(id=safety.id).update(expires_at=timezone.now(), locked=True)
    assert safety_expire() == 0


def test_one_on_its_way_back_stays(shop, stored):
    safety = restored_whole(shop, stored)
    undone(shop, stored)
    Backup.objects.filter(id=safety.id).update(expires_at=timezone.now())
    assert safety_expire() == 0


def test_an_undo_brings_the_safety_backup_back_and_holds_both(shop, stored):
    safety = restored_whole(shop, stored)
    assert undone(shop, stored).status == BackupStatus.RESTORING
    undo = Operation.objects.get(kind=kinds.UNDO.name)
    assert undo.params == {"mode": "replace", "safety": True, "server": "auto"}
    assert set(OperationBackup.objects.filter(operation=undo).values_list("backup", "role")) == {
        (stored.id, OperationRole.SUBJECT),
        (safety.id, OperationRole.SOURCE),
    }
    with pytest.raises(StatusConflict):
        backup_delete(user=shop.owner, backup=safety)
    assert operation_fail(operation=undo, error=OperationCancelled())
    assert set(Backup.objects.values_list("status", flat=True)) == {BackupStatus.READY}


def test_an_undo_is_not_undone(shop, stored):
    restored_whole(shop, stored)
    undone(shop, stored)
    ended(Operation.objects.get(kind=kinds.UNDO.name))
    with pytest.raises(NothingToUndo):
        undone(shop, stored)


def test_only_the_newest_restore_of_the_server_can_be_taken_back(shop, stored):
    other = BackupFactory(provision=shop.server, asset__customer=shop.order.customer)
    restored_whole(shop, stored)
    newer = restored_whole(shop, other)
    with pytest.raises(NothingToUndo):
        undone(shop, stored)
    found = restore_undoable(shop.server)
    assert (found.backup_id, found.source) == (other.id, newer)


def test_a_restore_that_failed_hides_none_that_succeeded(shop, stored):
    safety = restored_whole(shop, stored)
    assert operation_fail(operation=restored(shop, stored), error=OperationCancelled())
    assert restore_undoable(shop.server).source == safety


@pytest.mark.parametrize("gone", ["deleted", "never made"])
def test_without_its_safety_backup_there_is_nothing_to_undo(gone, shop, stored):
    operation = restored(shop, stored, safety=gone == "deleted")
    if gone == "deleted":
        safety = made(begun(operation))
        ended(operation)
        backup_delete(user=shop.owner, backup=safety)
    else:
        ended(operation)
    with pytest.raises(NothingToUndo):
        undone(shop, stored)
