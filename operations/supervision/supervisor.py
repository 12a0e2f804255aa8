"""The loop of `manage.py worker`."""

from __future__ import annotations

import logging
import signal
import socket
import time
from datetime import timedelta
from types import FrameType
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import QuerySet
from django.utils import timezone
from redis.exceptions import RedisError

from common.queue import task_enqueue_now, tasks_waiting
from operations.models import Operation, OperationState, Supervisor
from operations.services import chores
from operations.services.chores import chores_request
from operations.services.operations import TASK, operation_requeue
from operations.supervision.cluster import Cluster
from operations.supervision.expired_leases import CancelJudge, LeaseJudge, holds_expire, operation_lost
from operations.turns import operations_claimable

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
SEEN_SECONDS = 5.0
JUDGE_SECONDS = 5.0
TICK_SECONDS = 60.0
RING_AFTER_SECONDS = 5.0
"""An operation that stays unclaimed for this long is enqueued again, provided that the queue is empty."""
FROZEN_AFTER_SECONDS = 15.0
"""The cluster is frozen when, for this long, work waits, a worker is idle and no task is taken."""
RING_BATCH = 100
DRAIN_SECONDS = 20.0
CHECKPOINT_SECONDS = 5.0
"""The time for running operations to reach a checkpoint before their cluster is killed."""
SUPERVISOR_KEPT = timedelta(hours=1)


class Supervision:
    """One supervisor, its cluster, and its state between two rounds."""

    def __init__(self) -> None:
        self._id = uuid4()
        self._judge = LeaseJudge()
        self._cancels = CancelJudge()
        self._waiting_since: dict[object, float] = {}
        self._stopping = False
        self._due = {"seen": 0.0, "judge": 0.0, "tick": 0.0}
        self._workers_shown = 0
        self._answered, self._answered_at = 0, time.monotonic()
        self._cluster = Cluster(supervisor=str(self._id))

    def run(self) -> None:
        """Watch until SIGTERM or SIGINT, then drain and return."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        Supervisor.objects.create(id=self._id, host=socket.gethostname(), workers=settings.SAVEPOINT_WORKERS)
        log.info("supervising %d workers as %s", settings.SAVEPOINT_WORKERS, self._id)
        while not self._stopping:
            try:
                self._supervise()
            except (DatabaseError, InterfaceError, RedisError) as error:
                # Wait for a database or a queue that restarts; leases are judged again once it answers.
                log.warning("the database or the queue does not answer: %s", type(error).__name__)
                connection.close()
            time.sleep(LOOK_SECONDS)
        self._drain()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _supervise(self) -> None:
        self._cluster_watch()
        if self._is_due("seen", SEEN_SECONDS) or self._cluster.workers_alive != self._workers_shown:
            self._workers_shown = self._cluster.workers_alive
            Supervisor.objects.filter(id=self._id).update(seen_at=timezone.now(), workers_alive=self._workers_shown)
        if self._is_due("judge", JUDGE_SECONDS):
            holds_expire()
            self._judge.judge()
            self._cancels.enforce()
            self._ring_again()
        if self._is_due("tick", TICK_SECONDS):
            for run in chores_request():
                task_enqueue_now(chores.TASK, run)
            Supervisor.objects.filter(seen_at__lt=timezone.now() - SUPERVISOR_KEPT).delete()

    def _is_due(self, name: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due[name]:
            return False
        self._due[name] = now + every
        return True

    def _cluster_watch(self) -> None:
        if not self._cluster.alive:
            self._replace("its main process died")
            return
        for gone in self._cluster.look():
            for operation in self._own(gone.pid):
                operation_lost(operation)
            if not gone.busy:
                self._replace(f"process {gone.pid} died while it may have held the task queue")
                return

    def _ring_again(self) -> None:
        now = time.monotonic()
        queued = _claimable()
        self._waiting_since = {row.id: self._waiting_since.get(row.id, now) for row in queued}
        if self._cluster.activity.answered != self._answered or not self._cluster.idle:
            self._answered, self._answered_at = self._cluster.activity.answered, now
        longest = max((now - since for since in self._waiting_since.values()), default=0.0)
        if min(longest, now - self._answered_at) >= FROZEN_AFTER_SECONDS:
            self._replace("an operation waits, a worker is idle, and no task is taken")
        elif longest >= RING_AFTER_SECONDS:
            _ring(queued)

    def _replace(self, why: str) -> None:
        log.warning("replacing the cluster: %s", why)
        self._cluster.drain()
        self._wait_for_own(seconds=CHECKPOINT_SECONDS)
        self._cluster.kill()
        # An operation that reached no checkpoint lost its worker, and may be the cause of the crash: it has three
        # attempts.
        for operation in self._own():
            operation_lost(operation)
        self._cluster = Cluster(supervisor=str(self._id))
        self._waiting_since, self._answered, self._answered_at = {}, 0, time.monotonic()
        _ring(_claimable())

    def _drain(self) -> None:
        log.info("draining")
        self._cluster.drain()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._cluster.alive and time.monotonic() < deadline:
            time.sleep(0.1)
        self._cluster.kill()
        for operation in self._own():
            operation_requeue(operation=operation, counts=False, ring=False)
        Supervisor.objects.filter(id=self._id).delete()
        log.info("stopped")

    def _wait_for_own(self, *, seconds: float) -> None:
        """Give running operations the time to reach a checkpoint."""
        deadline = time.monotonic() + seconds
        while self._own().exists() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _own(self, pid: int | None = None) -> QuerySet[Operation]:
        """The operations that our workers, or the one with that process id, have claimed."""
        worker = {"worker__startswith": f"{self._id}:"} if pid is None else {"worker": f"{self._id}:{pid}"}
        return Operation.objects.filter(state=OperationState.RUNNING, **worker)


def _claimable() -> list[Operation]:
    """The first operations of the queue that may be claimed now, a bounded number."""
    return list(operations_claimable()[:RING_BATCH])


def _ring(operations: list[Operation]) -> None:
    """Enqueue these, unless the queue still holds tasks: a long backlog is not enqueued twice."""
    if tasks_waiting() == 0:
        for operation in operations:
            task_enqueue_now(TASK, operation.id)
