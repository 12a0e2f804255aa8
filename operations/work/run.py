"""Runs an operation in a worker: claims it, does its work, ends it."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.module_loading import import_string

from common.errors import ApplicationError
from common.locks import turn_lock
from common.queue import task_enqueue_now, tasks_waiting
from common.states import compare_and_set
from operations.kinds import kind_of
from operations.models import Operation, OperationState
from operations.services.operations import TASK, operation_fail, operation_requeue, operation_row
from operations.turns import operations_claimable
from operations.work.lease import Drained, FenceLost, Lease, draining
from operations.work.retry import Postponed, backoff_seconds

log = logging.getLogger(__name__)


def next_answer() -> None:
    """Run the operation whose turn it is, if one may be claimed, and end it in every case.

    A task too many does nothing, at any time. A task in a worker that must stop does nothing, either: a supervisor
    enqueues again. The end of an operation makes room for another one: without a task on the queue it enqueues one.
    """
    operation = None if draining() else next_claim()
    if operation is None:
        return
    _run(operation)
    if not draining() and tasks_waiting() == 0:
        waiting = operations_claimable().values_list("id", flat=True).first()
        if waiting is not None:
            task_enqueue_now(TASK, waiting)


def operation_answer(operation_id: UUID) -> None:
    """Run this operation here and now if no worker has it, whatever its turn and the limits."""
    operation = None if draining() else operation_claim(operation_id)
    if operation is not None:
        _run(operation)


def _run(operation: Operation) -> None:
    log.info("operation %s %s fence %d begins", operation.kind, operation.id, operation.fence)
    try:
        with Lease(operation) as lease:
            _work(operation, lease)
        log.info("operation %s %s succeeded", operation.kind, operation.id)
    except FenceLost:
        log.warning("operation %s fence %d was taken over", operation.id, operation.fence)
    except Drained:
        operation_requeue(operation=operation, counts=False, ring=False)
    except Postponed as later:
        not_before = timezone.now() + timedelta(seconds=later.seconds)
        operation_requeue(operation=operation, counts=later.counts, not_before=not_before)
    except ApplicationError as error:
        _fail(operation, error)
    except (OperationalError, InterfaceError):
        # The database is unreachable: the supervisor decides when the heartbeat stops.
        log.exception("operation %s lost the database", operation.id)
    except Exception:
        log.exception("operation %s %s failed unexpectedly", operation.kind, operation.id)
        _fail(operation, ApplicationError())


def _work(operation: Operation, lease: Lease) -> None:
    run = kind_of(operation).run
    if run is None:
        raise RuntimeError(f"No worker runs a {operation.kind}.")
    import_string(run)(operation, lease)


def _fail(operation: Operation, error: ApplicationError) -> None:
    """End an operation without success, if it is still ours."""
    if _ended(operation, error):
        log.warning("operation %s %s failed: %s (%r)", operation.kind, operation.id, error.code, error.__cause__)
    else:
        log.warning("operation %s fence %d was taken over", operation.id, operation.fence)


def _ended(operation: Operation, error: ApplicationError) -> bool:
    """End the operation, or requeue it if its kind has no limit of attempts. Return whether it was still ours."""
    if kind_of(operation).attempts is not None:
        return operation_fail(operation=operation, error=error)
    later = timezone.now() + timedelta(seconds=backoff_seconds(operation.attempts))
    return operation_requeue(operation=operation, counts=True, not_before=later)


def next_claim() -> Operation | None:
    """Claim the operation whose turn it is; None when none may be claimed.

    One claim at a time: two at once would both fill the last free place of a host.
    """
    with transaction.atomic():
        turn_lock("claims of operations")
        operation_id = operations_claimable().values_list("id", flat=True).first()
        return None if operation_id is None else operation_claim(operation_id)


def operation_claim(operation_id: UUID) -> Operation | None:
    """Claim a queued operation, with a fence above every earlier one; None when it cannot be claimed."""
    now = timezone.now()
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    # One transaction: the row that is read back is our claim, not that of a worker which took over during a long pause.
    with transaction.atomic():
        claimed = compare_and_set(
            Operation.objects.filter(due, id=operation_id, state=OperationState.QUEUED),
            state=OperationState.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            heartbeat=F("heartbeat") + 1,
            worker=worker_name(),
            started_at=Coalesce(F("started_at"), now),
            not_before=None,
        )
        return operation_row(operation_id) if claimed else None


def worker_name() -> str:
    """The name of this worker: its supervisor and its process id."""
    return f"{os.environ.get('SAVEPOINT_SUPERVISOR', 'alone')}:{os.getpid()}"
