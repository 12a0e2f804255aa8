"""Restores and undos against what goes away, dies or comes between."""

from __future__ import annotations

import pytest
from django.utils import timezone

from backups.errors import NothingToUndo
from backups.models import Backup, BackupStatus, Operation, OperationState
from backups.selectors import restore_undoable
from backups.services.operations import operation_cancel
from backups.services.sidecars import sidecar_error
from backups.work import restore
from provisions.models import Provision
from sidecar_client.errors import Refused, SidecarFailed
from tests.factories import BackupFactory
from tests.operations.scripted import ScriptedSidecar, away
from tests.operations.test_journal import COMPLETED, NONE, interrupted, restoring  # noqa: F401  # a fixture
from tests.operations.test_safety import begun, made, restored, restored_whole, stored, undone  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db


class Down(ScriptedSidecar):
    """It answers nothing, not even what it is."""

    def describe(self):
        return away()


def refused(**_: object):
    """The sidecar's certificate was revoked."""
    raise Refused("")


def unreadable(*_: object):
    """The data volume cannot be read just now."""
    raise SidecarFailed("internal", "")


def test_a_cancel_while_the_sidecar_is_down_does_not_end_what_may_be_half_exchanged(restoring, shop):  # noqa: F811
    operation_cancel(user=shop.owner, operation=interrupted(restoring))
    assert restoring(Down(outcomes=[])).state == OperationState.QUEUED
    assert Backup.objects.get().status == BackupStatus.RESTORING
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


def test_an_address_that_may_not_be_used_does_not_end_what_may_be_half_exchanged(restoring, monkeypatch):  # noqa: F811
    interrupted(restoring)
    with monkeypatch.context() as revoked:
        revoked.setattr("backups.services.sidecars.sidecar_address", lambda _: refused())
        assert restoring(ScriptedSidecar(outcomes=[])).state == OperationState.QUEUED
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


def test_a_server_that_is_no_longer_primary_does_not_end_what_may_be_half_exchanged(restoring):  # noqa: F811
    interrupted(restoring)
    Provision.objects.filter(is_primary=True).update(is_primary=False)
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.QUEUED


def test_a_journal_that_fails_right_after_the_exchange_is_asked_again(restoring, monkeypatch):  # noqa: F811
    monkeypatch.setattr(restore, "JOURNAL_WAIT_SECONDS", 5.0)
    sidecar = ScriptedSidecar(outcomes=[NONE, unreadable, COMPLETED], extract=away)
    assert restoring(sidecar).state == OperationState.SUCCEEDED


def test_a_restore_whose_backup_was_deleted_still_came_after_the_one_before(shop, stored):  # noqa: F811
    other = BackupFactory(provision=shop.server, asset__customer=shop.order.customer)
    restored_whole(shop, stored)
    restored_whole(shop, other)
    Backup.objects.filter(id=other.id).delete()
    assert restore_undoable(shop.server) is None
    with pytest.raises(NothingToUndo):
        undone(shop, stored)


def test_a_second_attempt_keeps_what_is_there_now_and_not_what_the_first_one_saw(shop, stored):  # noqa: F811
    operation = restored(shop, stored)
    first = made(begun(operation))
    Operation.objects.filter(id=operation.id).update(fence=2)
    second = begun(Operation.objects.get(id=operation.id))
    assert second.id != first.id
    assert second.status == BackupStatus.CREATING


def test_a_sidecar_that_names_its_numbers_strangely_is_answered_all_the_same():
    error = sidecar_error("not_enough_space", {"self": 1, "needed_bytes": 2})
    assert (error.code, error.params) == ("not_enough_space", {"needed_bytes": 2})


def test_a_cancel_before_the_exchange_is_no_open_question_afterwards(restoring, shop):  # noqa: F811
    def cancelled_meanwhile(*_: object):
        Operation.objects.filter(kind="restore").update(cancel_requested_at=timezone.now())
        return away()

    operation = restoring(ScriptedSidecar(outcomes=[NONE], extract=cancelled_meanwhile))
    assert operation.state == OperationState.QUEUED
    operation = restoring(ScriptedSidecar(outcomes=[NONE]))
    assert operation.error_code == "cancelled"
    assert "exchange" not in operation.params
