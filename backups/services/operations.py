"""Starting, ending and cancelling operations: what holds for every kind."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from accounts.services.audit import audit_record
from backups.errors import ArchiveDamagedError, OperationCancelled
from backups.models import (
    EXCHANGE_KINDS,
    LIVE_STATES,
    Backup,
    BackupStatus,
    Operation,
    OperationBackup,
    OperationKind,
    OperationRole,
    OperationState,
)
from backups.rules import Rules
from backups.services.damage import damage_note
from backups.services.sweep import objects_doom
from common.errors import ApplicationError, Params
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.queue import bell_ring
from common.states import compare_and_set
from orders.models import Order

TASK = "backups.tasks.operation_answer"
"""Who answers a bell: see backups.tasks."""


def operation_start(
    *, order: Order, kind: OperationKind, backup: Backup | None, requested_by: User | None, **params: Any
) -> Operation:
    """Queue an operation and ring for a worker once the transaction commits. Call it under the order's lock."""
    operation = Operation.objects.create(order=order, kind=kind, requested_by=requested_by, params=params)
    if backup is not None:
        OperationBackup.objects.create(operation=operation, backup=backup, role=OperationRole.SUBJECT)
        Backup.objects.filter(id=backup.id).update(operation=operation)
        backup.operation = operation
    bell_ring(TASK, operation.id)
    return operation


def operation_subject(operation: Operation) -> Backup:
    """The backup an operation is about. Raises Backup.DoesNotExist when it has none."""
    return Backup.objects.get(roles__operation=operation, roles__role=OperationRole.SUBJECT)


def operation_source(operation: Operation) -> Backup:
    """The backup that a restore or an undo brings back: its source where it has one, else its subject."""
    source = Backup.objects.filter(roles__operation=operation, roles__role=OperationRole.SOURCE).first()
    return source or operation_subject(operation)


def backups_give_back(operation: Operation) -> int:
    """Make what a restore or an undo held usable again, in the transaction that ends it. Return how many there were."""
    held = Backup.objects.filter(
        roles__operation=operation,
        roles__role__in=[OperationRole.SUBJECT, OperationRole.SOURCE],
        status=BackupStatus.RESTORING,
    )
    return held.update(status=BackupStatus.READY)


def operation_finish(
    *, operation: Operation, state: OperationState, error_code: str = "", error_params: Params | None = None
) -> bool:
    """End a live operation, if it still has the fence `operation` was read with. Return whether it did.

    Whoever ends it changes its backup in the same transaction, and only when this returned True.
    """
    rows = Operation.objects.filter(id=operation.id, fence=operation.fence, state__in=LIVE_STATES)
    # The last progress before the end was a second ago: what succeeded is done to its end.
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


def hold_end(*, operation: Operation, actor: User | None) -> bool:
    """End the hold of a reprovision, by somebody or because its time is over. Return whether it was still live."""
    with transaction.atomic():
        done = operation_finish(operation=operation, state=OperationState.SUCCEEDED)
        if done:
            action = "reprovision.cancel" if actor else "reprovision.expire"
            audit_record(actor=actor, action=action, order_id=operation.order_id, object_id=operation.id)
    return done


def operation_fail(*, operation: Operation, error: ApplicationError) -> bool:
    """End an operation without success and put its backup right: a create leaves *failed*, a restore *ready*.

    Return False when the operation was no longer the caller's.
    """
    cancelled = isinstance(error, OperationCancelled)
    state = OperationState.CANCELLED if cancelled else OperationState.FAILED
    with transaction.atomic():
        if not operation_finish(operation=operation, state=state, error_code=error.code, error_params=error.params):
            return False
        now = timezone.now()
        subject = Backup.objects.filter(roles__operation=operation, roles__role=OperationRole.SUBJECT)
        if operation.kind == OperationKind.CREATE:
            subject.filter(status=BackupStatus.CREATING).update(status=BackupStatus.FAILED, completed_at=now)
            objects_doom(backup_ids=list(subject.values_list("id", flat=True)))
        elif operation.kind in EXCHANGE_KINDS:
            backups_give_back(operation)
            if isinstance(error, ArchiveDamagedError):
                damage_note(operation_source(operation))
            # A safety backup that was not finished is of no use to anybody: it was never listed.
            unfinished = Backup.objects.filter(
                roles__operation=operation, roles__role=OperationRole.SAFETY, status=BackupStatus.CREATING
            )
            objects_doom(backup_ids=list(unfinished.values_list("id", flat=True)))
            unfinished.delete()
        audit_record(
            actor=None, action=f"{operation.kind}.{state}", order_id=operation.order_id, object_id=operation.id,
            code=error.code,
        )  # fmt: skip
    return True


def operation_requeue(
    *, operation: Operation, counts: bool, not_before: datetime | None = None, ring: bool = True
) -> bool:
    """Put a running operation back on the queue, for another worker or for later. Return whether it was still ours.

    counts: whether the attempt that ends here counts towards the limit. ring: False when our own workers are stopping,
    and would only take the bell to drop it. The fence stays: the next claim's is higher.
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
            bell_ring(TASK, operation.id)
    return done


def operation_cancel(*, user: User, operation: Operation, idempotency: IdempotencyKey | None = None) -> Operation:
    """Ask an operation to stop; ending a reprovision is how its hold is released.

    Raises PermissionDenied, and StatusConflict when it is over or is of a kind that cannot stop half way.
    """

    def find(operation_id: UUID) -> Operation:
        return Operation.objects.get(id=operation_id)

    def make() -> Operation:
        Rules(user=user, order=operation.order).cancel_require(operation)
        with transaction.atomic():
            _cancel(user=user, operation=operation)
            idempotency_store(idempotency, object_id=operation.id)
        return find(operation.id)

    return idempotent(idempotency, find=find, make=make)


def _cancel(*, user: User, operation: Operation) -> None:
    if operation.kind == OperationKind.REPROVISION:
        hold_end(operation=operation, actor=user)
        return
    live = Operation.objects.filter(id=operation.id, state__in=LIVE_STATES, cancel_requested_at__isnull=True)
    if compare_and_set(live, cancel_requested_at=timezone.now()):
        audit_record(actor=user, action=f"{operation.kind}.cancel", order_id=operation.order_id, object_id=operation.id)
    # One that no worker has claimed yet ends here and now; a running one at its next checkpoint. A restore that waits
    # for its sidecar's journal ends only by its word: see backups.work.restore.
    queued = Operation.objects.filter(id=operation.id, state=OperationState.QUEUED).first()
    if queued is not None and "exchange" not in queued.params:
        operation_fail(operation=queued, error=OperationCancelled())


def operation_row(operation_id: UUID) -> Operation | None:
    """The row a bell names, with what the work needs, or None when it is gone."""
    rows = Operation.objects.select_related("order__customer", "order__plan", "requested_by")
    return rows.filter(id=operation_id).first()
