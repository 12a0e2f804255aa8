"""Kinds of operations: every registered kind can be run, ended and displayed."""

from __future__ import annotations

import pytest
from django.utils.module_loading import import_string

from backups.kinds import KINDS
from operations.kinds import kinds_all, kinds_register
from operations.models import LIVE_STATES, Operation, OperationState
from operations.work import run
from operations.work.lease import Lease


def test_every_kind_is_registered_once():
    assert kinds_all() == KINDS
    with pytest.raises(RuntimeError, match="two kinds of operations named create"):
        kinds_register(KINDS[:1])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_paths_of_a_kind_lead_to_functions(kind):
    for path in (kind.run, kind.unsuccessful):
        assert path is None or callable(import_string(path))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.words.endings], ids=lambda kind: kind.name)
def test_each_end_of_a_kind_has_its_sentence(kind):
    over = set(OperationState) - set(LIVE_STATES)
    assert set(kind.words.endings) == over
    assert set(kind.words.problems) == over - {OperationState.SUCCEEDED}


def test_no_worker_runs_a_hold():
    operation = Operation(kind="reprovision")
    with pytest.raises(RuntimeError, match="No worker runs a reprovision"):
        run._work(operation, Lease(operation))
