"""A failing journal says nothing about the data: it must not end an exchange that may have begun."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus
from backups.reconcile.checks import CheckScope
from backups.reconcile.operations import outcomes_find
from common.errors import error_detail
from operations.kinds import ATTEMPTS
from operations.models import ExchangeState, Operation, OperationState
from operations.services.operations import operation_cancel
from sidecar_client.errors import SidecarFailed
from tests.operations.scripted import ScriptedSidecar, away, says
from tests.operations.test_journal import COMPLETED, NONE, interrupted, restoring  # noqa: F401  # a fixture
from wire.enums import OutcomeKind

pytestmark = pytest.mark.django_db


def full(*_: object):
    """Raise as a sidecar whose data volume has no space for its journal."""
    raise SidecarFailed("not_enough_space", "")


def test_a_release_that_fails_does_not_turn_an_exchange_into_a_failure(restoring):  # noqa: F811
    assert restoring(ScriptedSidecar(outcomes=[NONE, COMPLETED], release=full)).state == OperationState.QUEUED
    assert restoring(ScriptedSidecar(outcomes=[])).state == OperationState.SUCCEEDED


def test_completed_exchange_is_no_failure_when_its_sidecar_vanishes(restoring):  # noqa: F811
    assert restoring(ScriptedSidecar(outcomes=[NONE, COMPLETED], release=away)).state == OperationState.QUEUED
    Operation.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    operation = restoring(ScriptedSidecar(outcomes=[], release=away))
    assert (operation.state, operation.exchange) == (OperationState.SUCCEEDED, ExchangeState.BEGUN), "for the chore"


def test_unreadable_journal_is_asked_again_after_a_possible_exchange(restoring):  # noqa: F811
    interrupted(restoring)
    assert restoring(ScriptedSidecar(outcomes=[full])).state == OperationState.QUEUED
    assert restoring(ScriptedSidecar(outcomes=[COMPLETED])).state == OperationState.SUCCEEDED


def test_unreadable_journal_before_the_start_fails_the_restore(restoring):  # noqa: F811
    operation = restoring(ScriptedSidecar(outcomes=[full]))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "not_enough_space")


def test_rolled_back_exchange_with_a_failed_release_keeps_its_reason(restoring):  # noqa: F811
    back = says(OutcomeKind.ROLLED_BACK, "source_failed")
    assert restoring(ScriptedSidecar(outcomes=[NONE, back], release=full)).state == OperationState.QUEUED
    operation = restoring(ScriptedSidecar(outcomes=[back]))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "source_failed")


UNENDED = says(OutcomeKind.RUNNING, "source_failed", path="world/map", errno="EPERM")


def test_exchange_that_cannot_end_fails_with_the_path_in_minutes(restoring):  # noqa: F811
    for _ in range(ATTEMPTS - 1):
        operation = restoring(ScriptedSidecar(outcomes=[UNENDED] * 2))
        assert operation.state == OperationState.QUEUED
        assert operation.not_before < timezone.now() + timedelta(minutes=1)
    operation = restoring(ScriptedSidecar(outcomes=[UNENDED] * 2))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "source_failed")
    sentence = error_detail(code=operation.error_code, params=operation.error_params)
    assert "“world/map”" in sentence
    assert "immutable" in sentence
    assert Backup.objects.get().status == BackupStatus.READY


def test_exchange_that_ends_at_a_later_attempt_succeeds(restoring):  # noqa: F811
    assert restoring(ScriptedSidecar(outcomes=[UNENDED] * 2)).state == OperationState.QUEUED
    assert restoring(ScriptedSidecar(outcomes=[UNENDED, COMPLETED])).state == OperationState.SUCCEEDED


def test_cancel_ends_a_restore_with_a_stuck_exchange(restoring, rental):  # noqa: F811
    operation_cancel(user=rental.owner, operation=restoring(ScriptedSidecar(outcomes=[UNENDED] * 2)))
    operation = restoring(ScriptedSidecar(outcomes=[UNENDED] * 2))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "source_failed")


def test_exchange_that_never_ended_is_a_finding(restoring, rental):  # noqa: F811
    operation_cancel(user=rental.owner, operation=restoring(ScriptedSidecar(outcomes=[UNENDED] * 2)))
    operation = restoring(ScriptedSidecar(outcomes=[UNENDED] * 2))
    assert operation.exchange == "unended"
    assert [seen.object_id for seen in outcomes_find(CheckScope(now=timezone.now()))] == [operation.id]


def test_release_that_always_fails_does_not_hold_the_order(restoring):  # noqa: F811
    assert restoring(ScriptedSidecar(outcomes=[NONE, COMPLETED], release=full)).state == OperationState.QUEUED
    for _ in range(ATTEMPTS - 2):
        assert restoring(ScriptedSidecar(outcomes=[], release=full)).state == OperationState.QUEUED
    operation = restoring(ScriptedSidecar(outcomes=[], release=full))
    assert (operation.state, operation.exchange) == (OperationState.SUCCEEDED, ExchangeState.BEGUN), "for the chore"


def test_rolled_back_exchange_names_its_path(restoring):  # noqa: F811
    back = says(OutcomeKind.ROLLED_BACK, "source_failed", path="world/map", errno="EROFS")
    operation = restoring(ScriptedSidecar(outcomes=[NONE, back]))
    assert operation.error_params == {"path": "world/map", "errno": "EROFS"}
