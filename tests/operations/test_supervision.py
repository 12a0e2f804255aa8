"""One pass of the supervisor, with a cluster that is scripted to live or to die."""

from __future__ import annotations

import pytest
from django_q.models import OrmQ

from backups.models import Backup, BackupStatus
from config.chores import CHORES
from operations.kinds import ATTEMPTS
from operations.models import Operation, OperationState
from operations.services import chores
from operations.supervision import supervisor
from operations.supervision.busy import Activity
from operations.work.run import operation_claim

pytestmark = pytest.mark.django_db


class ScriptedCluster:
    """A cluster without processes: alive or not, with idle workers."""

    workers_alive, idle = 2, True

    def __init__(self, *, alive: bool) -> None:
        self.alive = alive
        self.activity = Activity()

    def look(self):
        return []

    def drain(self):
        pass

    def kill(self):
        self.activity.close()


@pytest.fixture
def supervision_of(monkeypatch):
    """A supervisor of such clusters that never waits."""

    def make(*, alive):
        monkeypatch.setattr(supervisor, "Cluster", lambda **_: ScriptedCluster(alive=alive))
        monkeypatch.setattr(supervisor, "CHECKPOINT_SECONDS", 0.0)
        made = supervisor.Supervision()
        monkeypatch.setenv("SAVEPOINT_SUPERVISOR", str(made._id))
        return made

    return make


def test_operation_that_kills_its_cluster_is_ended_and_its_order_free(rental, supervision_of):
    supervision = supervision_of(alive=False)
    rental.create()
    for _ in range(ATTEMPTS):
        assert operation_claim(Operation.objects.get().id) is not None
        supervision._supervise()
    operation = Operation.objects.get()
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "worker_lost")
    assert Backup.objects.get().status == BackupStatus.FAILED
    rental.create()


def test_each_chore_is_enqueued_once_by_the_first_look(db, supervision_of):
    supervision = supervision_of(alive=True)
    supervision._supervise()
    assert [task.func() for task in OrmQ.objects.all()] == [chores.TASK] * len(CHORES)
    supervision._supervise()
    assert OrmQ.objects.count() == len(CHORES)
