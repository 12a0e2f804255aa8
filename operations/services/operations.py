"""Starts, ends and cancels operations of any kind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.models import User
from accounts.services.audit import audit_record
from common.errors import ApplicationError, Params
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.queue import task_enqueue
from common.states import compare_and_set
from operations.errors import OperationCancelled
from operations.kinds import OperationKind, kind_of
from operations.models import LIVE_STATES, ExchangeState, Operation, OperationScope, OperationState
from operations.rules import cancel_require
from operations.services.endings import operation_ended
from orders.models import Order

TASK = "operations.tasks.operation_answer"
"""The task that runs an operation."""


def operation_start(
    *,
    order: Order,
    kind: OperationKind,
    requested_by: User | None,
    server_id: UUID | None = None,
    volume_id: UUID | None = None,
    **params: Any,
) -> Operation:
    """Enqueue an operation on an order once the transaction commits. Call it under the order's lock.

    server_id: the server whose live files the operation may change. volume_id: the volume that it makes. Raises
    IntegrityError when the order has an exclusive operation and this would be another one.
    """
    operation = Operation.objects.create(
        order=order,
        kind=kind.name,
        exclusive=kind.exclusive,
        requested_by=requested_by,
        server_id=server_id,
        volume_id=volume_id,
        params=params,
    )
    task_enqueue(TASK, operation.id)
    return operation


def repository_work_start(
    *, repository_id: UUID, kind: OperationKind, requested_by: User | None, **params: Any
) -> Operation:
    """Enqueue an operation on a repository once the transaction commits.

    Raises IntegrityError when one of this kind is live on the repository.
    """
    operation = Operation.objects.create(
        scope=OperationScope.REPOSITORY,
        scope_id=repository_id,
        kind=kind.name,
        requested_by=requested_by,
        params=params,
    )
    task_enqueue(TASK, operation.id)
    return operation


def operation_result(*, operation: Operation, **result: Any) -> bool:
    """Add to the result of a running operation. Return whether its fence is still that of `operation`."""
    operation.result = {**operation.result, **result}
    rows = Operation.objects.filter(id=operation.id, fence=operation.fence, state=OperationState.RUNNING)
    return compare_and_set(rows, result=operation.result)


def hold_start(*, order: Order, kind: OperationKind, requested_by: User, lasts: timedelta) -> Operation:
    """Hold an order for a time, or until the operation is cancelled; no worker runs it. Raises as `operation_start`."""
    now = timezone.now()
    return Operation.objects.create(
        order=order,
        kind=kind.name,
        exclusive=kind.exclusive,
        state=OperationState.RUNNING,
        requested_by=requested_by,
        fence=1,
        started_at=now,
        expires_at=now + lasts,
    )


def hold_end(*, operation: Operation, actor: User | None) -> bool:
    """End a hold, because `actor` cancelled it or its time is over. Return whether it was still live."""
    with transaction.atomic():
        done = operation_finish(operation=operation, state=OperationState.SUCCEEDED)
        if done:
            action = f"{operation.kind}.{'cancel' if actor else 'expire'}"
            audit_record(actor=actor, action=action, order_id=operation.order_id, object_id=operation.id)
            operation_ended(operation)
    return done


def operation_finish(
    *, operation: Operation, state: OperationState, error_code: str = "", error_params: Params | None = None
) -> bool:
    """End a live operation if its fence is still that of `operation`. Return whether it ended.

    The caller changes its backup in the same transaction, and only when this returned True.
    """
    rows = Operation.objects.filter(id=operation.id, fence=operation.fence, state__in=LIVE_STATES)
    # The last progress was written up to a second ago: a successful operation is complete.
    done = {"bytes_done": Coalesce("bytes_total", "bytes_done")} if state == OperationState.SUCCEEDED else {}
    return compare_and_set(
        rows,
        **done,
        state=state,
        error_code=error_code,
        error_params=error_params or {},
        finished_at=timezone.now(),
        phase="",
        rate=0,
    )


def operation_fail(*, operation: Operation, error: ApplicationError) -> bool:
    """End an operation without success, and run its kind's cleanup.

    Return False when the operation was no longer the caller's.
    """
    cancelled = isinstance(error, OperationCancelled)
    state = OperationState.CANCELLED if cancelled else OperationState.FAILED
    with transaction.atomic():
        if not operation_finish(operation=operation, state=state, error_code=error.code, error_params=error.params):
            return False
        if unsuccessful := kind_of(operation).unsuccessful:
            import_string(unsuccessful)(operation, error)
        audit_record(
            actor=None, action=f"{operation.kind}.{state}", order_id=operation.order_id, object_id=operation.id,
            code=error.code,
        )  # fmt: skip
        operation_ended(operation)
    return True


def operation_requeue(
    *, operation: Operation, counts: bool, not_before: datetime | None = None, ring: bool = True
) -> bool:
    """Put a running operation back on the queue, for another worker or for later. Return whether it was still ours.

    counts: whether the attempt that ends here counts towards the limit. ring: False while our own workers stop, since
    they would only drop the task. The fence stays: the next claim's is higher.
    """
    rows = Operation.objects.filter(id=operation.id, fence=operation.fence, state=OperationState.RUNNING)
    attempts = F("attempts") if counts else F("attempts") - 1
    with transaction.atomic():
        done = compare_and_set(
            rows,
            state=OperationState.QUEUED,
            worker="",
            phase="",
            rate=0,
            bytes_done=0,
            attempts=attempts,
            not_before=not_before,
        )
        if done and ring and not_before is None:
            task_enqueue(TASK, operation.id)
    return done


def operation_cancel(*, user: User, operation: Operation, idempotency: IdempotencyKey | None = None) -> Operation:
    """Ask an operation to stop; a hold is released.

    Raises PermissionDenied, and StatusConflict when it is over or is of a kind that cannot stop half way.
    """

    def find(operation_id: UUID) -> Operation:
        return Operation.objects.get(id=operation_id)

    def make() -> Operation:
        cancel_require(user=user, operation=operation)
        with transaction.atomic():
            _cancel(user=user, operation=operation)
            idempotency_store(idempotency, object_id=operation.id)
        return find(operation.id)

    return idempotent(idempotency, find=find, make=make)


def _cancel(*, user: User, operation: Operation) -> None:
    if operation.is_hold:
        hold_end(operation=operation, actor=user)
        return
    live = Operation.objects.filter(id=operation.id, state__in=LIVE_STATES, cancel_requested_at__isnull=True)
    if compare_and_set(live, cancel_requested_at=timezone.now()):
        audit_record(actor=user, action=f"{operation.kind}.cancel", order_id=operation.order_id, object_id=operation.id)
    # A queued operation ends here; a running one ends at its next checkpoint. An operation that may have begun to
    # exchange live files ends only with the outcome in the sidecar's journal.
    queued = Operation.objects.filter(id=operation.id, state=OperationState.QUEUED, exchange=ExchangeState.NONE).first()
    if queued is not None:
        operation_fail(operation=queued, error=OperationCancelled())


def operation_row(operation_id: UUID) -> Operation | None:
    """The operation with this id and the rows that its work needs; None when it is gone."""
    rows = Operation.objects.select_related("order__customer", "order__plan", "requested_by")
    return rows.filter(id=operation_id).first()
