"""Restores and undos with failures, crashes and changes in between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.errors import NothingToUndo, PreviewUnavailable
from backups.models import Backup, BackupStatus
from backups.selectors import restore_undoable
from backups.services import sidecars
from backups.services.previews import backup_preview
from backups.services.restores import RestoreOptions, backup_restore
from backups.services.safety import safety_expire
from backups.services.sidecars import sidecar_error
from backups.work import exchange_outcome
from operations.errors import OperationCancelled
from operations.models import ExchangeState, Operation, OperationState
from operations.services.operations import operation_cancel, operation_fail
from provisions.models import Provision, ProvisionKind
from provisions.services.provisions import provision_create
from sidecar_client.errors import Refused, SidecarFailed, SidecarUnavailable
from tests.factories import BackupFactory
from tests.faults import raising
from tests.operations.scripted import ScriptedSidecar, away
from tests.operations.test_journal import COMPLETED, NONE, interrupted, restoring  # noqa: F401  # a fixture
from tests.operations.test_safety import begun, ended, made, restored, restored_whole, stored, undone  # noqa: F401  # a fixture
from vault.services.opening import target_open

pytestmark = pytest.mark.django_db


class Down(ScriptedSidecar):
    """Answers nothing, not even a request to describe itself."""

    def __init__(self):
        super().__init__(outcomes=[])
        self.describe = raising(SidecarUnavailable("gone"))


class Comparing(ScriptedSidecar):
    """Reads the listing, but cannot use it."""

    def restore_preview(self, *, listing, **_: object):
        list(listing)
        raise SidecarFailed("archive_damaged", "")


def unreadable(*_: object):
    """Raise as a sidecar whose data volume is unreadable."""
    raise SidecarFailed("internal", "")


def test_cancel_without_the_sidecar_keeps_a_possible_exchange_open(restoring, rental):  # noqa: F811
    operation_cancel(user=rental.owner, operation=interrupted(restoring))
    assert restoring(Down()).state == OperationState.QUEUED
    assert Backup.objects.get().status == BackupStatus.RESTORING
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


def test_forbidden_address_keeps_a_possible_exchange_open(restoring, monkeypatch):  # noqa: F811
    interrupted(restoring)
    with monkeypatch.context() as revoked:
        revoked.setattr("backups.services.sidecars.sidecar_address", raising(Refused("")))
        assert restoring(ScriptedSidecar(outcomes=[])).state == OperationState.QUEUED
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


def test_replaced_server_keeps_a_possible_exchange_open(restoring):  # noqa: F811
    interrupted(restoring)
    Provision.objects.filter(is_primary=True).update(is_primary=False)
    assert restoring(ScriptedSidecar(outcomes=[])).state == OperationState.QUEUED


def test_a_journal_that_fails_right_after_the_exchange_is_asked_again(restoring, monkeypatch):  # noqa: F811
    monkeypatch.setattr(exchange_outcome, "JOURNAL_WAIT_SECONDS", 5.0)
    sidecar = ScriptedSidecar(outcomes=[NONE, unreadable, COMPLETED], extract=away)
    assert restoring(sidecar).state == OperationState.SUCCEEDED


def test_restore_of_a_deleted_backup_still_counts_as_the_latest(rental, stored):  # noqa: F811
    other = BackupFactory(provision=rental.server, asset__customer=rental.order.customer)
    restored_whole(rental, stored)
    restored_whole(rental, other)
    Backup.objects.filter(id=other.id).delete()
    assert restore_undoable(rental.server) is None
    with pytest.raises(NothingToUndo):
        undone(rental, stored)


def test_second_attempt_backs_up_the_current_data_again(rental, stored):  # noqa: F811
    operation = restored(rental, stored)
    first = made(begun(operation))
    Operation.objects.filter(id=operation.id).update(fence=2)
    second = begun(Operation.objects.get(id=operation.id))
    assert second.id != first.id
    assert second.status == BackupStatus.CREATING


def test_sidecar_with_odd_params_is_still_handled():
    error = sidecar_error("not_enough_space", {"self": 1, "needed_bytes": 2})
    assert (error.code, error.params) == ("not_enough_space", {"needed_bytes": 2})


def test_a_cancel_before_the_exchange_is_no_open_question_afterwards(restoring, rental):  # noqa: F811
    def cancelled_meanwhile(*_: object):
        Operation.objects.filter(kind="restore").update(cancel_requested_at=timezone.now())
        return away()

    operation = restoring(ScriptedSidecar(outcomes=[NONE], extract=cancelled_meanwhile))
    assert operation.state == OperationState.QUEUED
    operation = restoring(ScriptedSidecar(outcomes=[NONE]))
    assert operation.error_code == "cancelled"
    assert operation.exchange == ""


def test_safety_backup_of_a_late_attempt_is_kept_as_long_as_any(rental, stored):  # noqa: F811
    operation = restored(rental, stored)
    Backup.objects.filter(id=begun(operation).id).update(expires_at=timezone.now())
    again = Backup.objects.get(id=begun(operation).id)
    assert again.expires_at > timezone.now() + timedelta(hours=47)


def test_safety_backup_of_an_earlier_attempt_goes_unless_locked(rental, stored):  # noqa: F811
    operation = restored(rental, stored)
    first = made(begun(operation))
    second = made(begun(operation))
    Backup.objects.filter(id=second.id).update(locked=True)
    third = made(begun(operation))
    ended(operation)
    assert safety_expire() == 1
    assert Backup.objects.get(id=first.id).deleted_at is not None
    assert Backup.objects.get(id=second.id).deleted_at is None
    assert restore_undoable(rental.server).source == third


@pytest.mark.parametrize("lost", ["in storage", "as the sidecar says"])
def test_a_lost_listing_is_not_called_a_damaged_backup(lost, rental, monkeypatch):
    root = rental.root
    (root / "backups").mkdir(parents=True)
    with target_open(rental.target).writer("other", expected_size=1) as writer:
        writer.write(b"1")
        writer.commit()
    backup = BackupFactory(
        provision=rental.server, listing_bytes=1, asset__customer=rental.order.customer, asset__target=rental.target
    )
    if lost != "in storage":
        (root / f"{backup.asset.key}.listing").write_bytes(b"?")
    monkeypatch.setattr(sidecars, "SidecarClient", Comparing(outcomes=[]))
    with pytest.raises(PreviewUnavailable):
        backup_preview(user=rental.owner, backup=backup, server=rental.server, mode="replace")


def test_a_restore_of_the_server_that_took_over_hides_none(rental, stored):  # noqa: F811
    safety = restored_whole(rental, stored)
    Provision.objects.filter(id=rental.server.id).update(is_primary=False)
    second = provision_create(order=rental.order, kind=ProvisionKind.DEPLOYMENT, name="Second", is_primary=True)
    other = BackupFactory(provision=second, asset__customer=rental.order.customer)
    backup_restore(
        user=rental.owner, order_id=rental.order.id, provision_id=second.id, backup_id=other.id,
        options=RestoreOptions(), idempotency=None,
    )  # fmt: skip
    ended(Operation.objects.get(kind="restore", state=OperationState.QUEUED))
    assert restore_undoable(rental.server).source == safety
    assert restore_undoable(second) is None


@pytest.mark.parametrize("exchange", [ExchangeState.DONE, ExchangeState.UNENDED])
def test_a_failed_restore_that_exchanged_files_is_the_one_to_take_back(rental, stored, exchange):  # noqa: F811
    restored_whole(rental, stored)
    other = BackupFactory(provision=rental.server, asset__customer=rental.order.customer)
    operation = restored(rental, other)
    safety = made(begun(operation))
    assert operation_fail(operation=Operation.objects.get(id=operation.id), error=OperationCancelled())
    Operation.objects.filter(id=operation.id).update(exchange=exchange)
    found = restore_undoable(rental.server)
    assert (found.backup_id, found.source) == (other.id, safety)
    undo = undone(rental, other).operation
    assert operation_fail(operation=undo, error=OperationCancelled())
    assert restore_undoable(rental.server) == found
    Operation.objects.filter(id=undo.id).update(exchange=exchange)
    assert restore_undoable(rental.server) is None
