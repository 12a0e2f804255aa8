"""Leases of running operations, judged by their heartbeat on a monotonic clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from common.locks import row_lock
from operations.errors import OperationCancelled, WorkerLost
from operations.kinds import kind_of
from operations.models import Operation, OperationState
from operations.services.operations import hold_end, operation_fail, operation_requeue
from operations.work.lease import LEASE_SECONDS
from operations.work.retry import LAST_RESORT, backoff_seconds

log = logging.getLogger(__name__)

CANCEL_SECONDS = 3.0
"""The time for a cancelled operation to reach a checkpoint; with the interval of checks it ends within ten seconds."""


class LeaseJudge:
    """Remembers when each running operation's heartbeat last changed, by this process's monotonic clock.

    So no lease is lost to a jump of the database's clock, or to a supervisor that has just started.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._moved: dict[UUID, tuple[tuple[int, int], float]] = {}

    def judge(self) -> list[UUID]:
        """Requeue or end every operation whose heartbeat stood still for a lease; return their ids."""
        now = self._monotonic()
        seen: dict[UUID, tuple[tuple[int, int], float]] = {}
        lost = []
        running = Operation.objects.filter(state=OperationState.RUNNING).filter(expires_at__isnull=True)
        for operation in running:
            beat = (operation.fence, operation.heartbeat)
            known, since = self._moved.get(operation.id, (None, now))
            seen[operation.id] = (beat, since if known == beat else now)
            if known == beat and now - since >= LEASE_SECONDS and operation_lost(operation):
                lost.append(operation.id)
        self._moved = seen
        return lost


class CancelJudge:
    """Ends cancelled operations that reach no checkpoint in time, because a storage or a sidecar stalls.

    A worker that still runs such an operation has lost it, and can change nothing more.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._asked: dict[UUID, float] = {}

    def enforce(self) -> list[UUID]:
        """End every running operation whose cancel is overdue; return their ids."""
        now = self._monotonic()
        asked = Operation.objects.filter(state=OperationState.RUNNING, cancel_requested_at__isnull=False)
        rows = list(asked)
        self._asked = {row.id: self._asked.get(row.id, now) for row in rows}
        overdue = [row for row in rows if now - self._asked[row.id] >= CANCEL_SECONDS]
        return [row.id for row in overdue if operation_cancel_now(row)]


def operation_cancel_now(operation: Operation) -> bool:
    """End a running operation as cancelled, unless it may be exchanging live files. Return whether it ended."""
    with transaction.atomic():
        row = row_lock(Operation.objects.filter(id=operation.id, fence=operation.fence, state=OperationState.RUNNING))
        if row is None or row.exchange:
            return False
        return operation_fail(operation=row, error=OperationCancelled())


def operation_lost(operation: Operation) -> bool:
    """Requeue an operation whose worker is gone, or end it as `worker_lost`. Return False if its heartbeat changed."""
    unchanged = Operation.objects.filter(
        id=operation.id, fence=operation.fence, heartbeat=operation.heartbeat, state=OperationState.RUNNING
    )
    with transaction.atomic():
        # Read again under the row's lock: a worker that was only slow may have recorded an exchange since.
        row = row_lock(unchanged)
        return row is not None and _lost(row)


def _lost(operation: Operation) -> bool:
    log.warning("operation %s fence %d lost its worker %s", operation.id, operation.fence, operation.worker)
    attempts = kind_of(operation).attempts
    if attempts is None:
        later = timezone.now() + timedelta(seconds=backoff_seconds(operation.attempts))
        return operation_requeue(operation=operation, counts=True, not_before=later)
    if operation.attempts < attempts:
        return operation_requeue(operation=operation, counts=True)
    if operation.exchange:
        return exchange_last_resort(operation)
    return operation_fail(operation=operation, error=WorkerLost())


def exchange_last_resort(operation: Operation) -> bool:
    """Wait and ask the sidecar again after the last attempt: an exchange ends only with the outcome in its journal.

    The operation always ends a day after its request, so that a sidecar that is gone for good does not block its order
    for ever.
    """
    if timezone.now() - operation.created_at > LAST_RESORT:
        return operation_fail(operation=operation, error=WorkerLost())
    return operation_requeue(operation=operation, counts=True, not_before=timezone.now() + timedelta(minutes=1))


def holds_expire() -> int:
    """End every expired hold; return their number."""
    expired = Operation.objects.filter(state=OperationState.RUNNING, expires_at__lte=timezone.now())
    return sum(hold_end(operation=operation, actor=None) for operation in expired)
