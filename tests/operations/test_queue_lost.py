"""An unreachable queue costs only time."""

from __future__ import annotations

import signal

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from common import queue
from operations.models import Operation, OperationState
from operations.supervision import supervisor
from tests.faults import raising

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def signals_kept():
    """Restore the test process's own signal handlers."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, action in kept.items():
        signal.signal(number, action)


def test_create_is_accepted_when_its_task_cannot_be_enqueued(real_rental, monkeypatch):
    monkeypatch.setattr(queue, "async_task", raising(RedisConnectionError))
    real_rental.create()
    assert Operation.objects.get().state == OperationState.QUEUED


@pytest.mark.usefixtures("signals_kept")
def test_the_supervisor_outlives_a_queue_that_goes_away(monkeypatch):
    class NoCluster:
        alive, workers_alive = True, 0

        def __init__(self, **_: object) -> None:
            pass

        def drain(self) -> None:
            self.alive = False

        def kill(self) -> None:
            self.alive = False

    monkeypatch.setattr(supervisor, "Cluster", NoCluster)
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.0)
    supervision = supervisor.Supervision()
    looks, lost = [], raising(RedisConnectionError)

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            lost()
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(supervision, "_supervise", look)
    supervision.run()
    assert len(looks) == 2
