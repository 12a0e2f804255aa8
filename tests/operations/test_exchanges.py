"""Exchanges whose operation ended without the journal's answer: a chore asks until the sidecar answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.services import sidecars
from backups.services.exchanges import exchanges_settle
from operations.models import Operation, OperationState
from tests.operations.scripted import ScriptedSidecar, away, says
from tests.operations.test_journal import COMPLETED, NONE, interrupted, restoring  # noqa: F401  # a fixture
from wire.enums import OutcomeKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def given_up(restoring, monkeypatch):  # noqa: F811
    """A restore ended a day after its sidecar vanished during the exchange; returns a function that runs the chore."""
    interrupted(restoring)
    Operation.objects.update(created_at=timezone.now() - timedelta(days=1, minutes=1))
    assert restoring(ScriptedSidecar(outcomes=[away])).state == OperationState.FAILED

    def ask(sidecar):
        monkeypatch.setattr(sidecars, "SidecarClient", sidecar)
        return exchanges_settle()

    return ask


def restore():
    return Operation.objects.get(kind="restore")


@pytest.mark.parametrize(
    ("outcome", "exchange"), [(COMPLETED, "done"), (says(OutcomeKind.ROLLED_BACK, "source_failed"), ""), (NONE, "")]
)
def test_outcome_is_noted_and_released_once(given_up, outcome, exchange):
    sidecar = ScriptedSidecar(outcomes=[outcome])
    assert given_up(sidecar) == 1
    assert sidecar.releases == 1
    assert (restore().exchange, restore().state, restore().error_code) == (exchange, "failed", "sidecar_unavailable")
    assert given_up(ScriptedSidecar(outcomes=[])) == 0


@pytest.mark.parametrize("answer", [away, says(OutcomeKind.RUNNING)])
def test_sidecar_without_an_answer_is_asked_again(given_up, answer):
    assert given_up(ScriptedSidecar(outcomes=[answer])) == 0
    assert restore().exchange == "begun"
    assert given_up(ScriptedSidecar(outcomes=[COMPLETED])) == 1


def test_release_that_fails_is_tried_again(given_up):
    assert given_up(ScriptedSidecar(outcomes=[COMPLETED], release=away)) == 0
    assert given_up(ScriptedSidecar(outcomes=[COMPLETED])) == 1


def test_sidecar_that_never_comes_back_is_not_asked_for_ever(given_up):
    Operation.objects.update(finished_at=timezone.now() - timedelta(days=31))
    assert given_up(ScriptedSidecar(outcomes=[])) == 0


def test_live_restore_is_left_to_its_worker(restoring, monkeypatch):  # noqa: F811
    interrupted(restoring)
    monkeypatch.setattr(sidecars, "SidecarClient", ScriptedSidecar(outcomes=[]))
    assert exchanges_settle() == 0
    assert restore().state == OperationState.QUEUED
