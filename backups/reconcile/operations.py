"""I4 and I7: operations exclude each other, make progress, end, and report how they ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from backups import kinds
from backups.errors import SidecarUnavailableError
from backups.models import Finding, Invariant
from backups.reconcile.checks import SETTLED, Check, CheckScope, Unchecked, Violation, rows_of
from backups.reconcile.heartbeats import Beat, heartbeats_now
from backups.reconcile.wording import Code
from common.clock import database_now
from common.errors import ApplicationError
from common.locks import row_lock
from operations.errors import OperationCancelled, OperationTimedOut, WorkerLost
from operations.kinds import kinds_all
from operations.models import LIVE_STATES, ExchangeState, Operation, OperationState
from operations.services.operations import hold_end, operation_fail
from operations.supervision.expired_leases import operation_lost
from operations.work.retry import LAST_RESORT
from orders.models import Order

CONSTRAINT = "operation_one_active_an_order"
LONGEST = timedelta(hours=24)
"""Nothing runs longer, and nothing that could be claimed waits longer, unless something is wrong."""


def exclusion_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I4: the database lets one exclusive operation an order be live, and so it is."""
    if not _constraint_holds():
        yield Violation(code=Code.CONSTRAINT_MISSING, object_type="database")
    live = Q(operations__state__in=LIVE_STATES, operations__exclusive=True)
    orders = Order.objects.filter(live, **scope.of("order")).annotate(live=Count("operations")).filter(live__gt=1)
    for order in rows_of(orders):
        count: int = order.live  # type: ignore[attr-defined]  # the annotation above
        yield Violation(code=Code.ACTIVE_TWICE, object_type="order", object_id=order.id, params={"count": count})


def _constraint_holds() -> bool:
    sql = (
        "SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relname = %s AND indisunique AND indisvalid AND indislive"
        if connection.vendor == "postgresql"
        else "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = %s AND sql LIKE 'CREATE UNIQUE INDEX %%'"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [CONSTRAINT])
        return cursor.fetchone() is not None


def heartbeats_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I4: operations whose worker is gone, and that no supervisor noticed."""
    for operation_id, (fence, heartbeat) in _standing(scope).items():
        beat: dict[str, str | int] = {"fence": fence, "heartbeat": heartbeat}
        yield Violation(code=Code.HEARTBEAT_STANDING, object_type="operation", object_id=operation_id, params=beat)


def _standing(scope: CheckScope) -> dict[UUID, Beat]:
    if scope.only is not None:
        found = (scope.only.params.get("fence", 0), scope.only.params.get("heartbeat", 0))
        same = heartbeats_now().get(scope.only.object_id) == found
        return {scope.only.object_id: found} if same else {}
    return scope.heartbeats.standing() if scope.heartbeats else {}


def heartbeat_end(finding: Finding) -> bool:
    """Queue an operation again whose heartbeat has not moved, or end it. Return whether that was done."""
    same = {name: finding.params.get(name, 0) for name in ("fence", "heartbeat")}
    operation = Operation.objects.filter(id=finding.object_id, state=OperationState.RUNNING, **same).first()
    return operation is not None and operation_lost(operation)


def overdue_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I4: operations that run, or wait for a worker, for more than a day."""
    for operation in rows_of(_overdue(scope.now).filter(**scope.of("operation"))):
        yield Violation(code=Code.OPERATION_OVERDUE, object_type="operation", object_id=operation.id)
    due = Operation.objects.filter(state=OperationState.QUEUED).annotate(due=Coalesce("not_before", "created_at"))
    for operation in rows_of(due.filter(due__lt=scope.now - LONGEST, **scope.of("operation"))):
        yield Violation(code=Code.OPERATION_UNCLAIMED, object_type="operation", object_id=operation.id)


def _overdue(now: datetime) -> QuerySet[Operation]:
    # Some work is retried without limit; a hold has an end of its own.
    running = Operation.objects.filter(state=OperationState.RUNNING, started_at__lt=now - LONGEST)
    endless = [kind.name for kind in kinds_all() if kind.attempts is None]
    return running.filter(expires_at__isnull=True).exclude(kind__in=endless)


def overdue_end(finding: Finding) -> bool:
    """End an operation as timed out; its worker loses it. Return whether it ended.

    One that may have begun to exchange files ends only with the outcome in the journal: see backups.work.restore.
    """
    with transaction.atomic():
        operation = row_lock(_overdue(database_now()).filter(id=finding.object_id))
        if operation is None or operation.exchange:
            return False
        return operation_fail(operation=operation, error=OperationTimedOut())


def holds_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I4: reprovisions whose hold has run out."""
    for operation in rows_of(_holds(scope.now).filter(**scope.of("operation"))):
        yield Violation(code=Code.HOLD_EXPIRED, object_type="operation", object_id=operation.id)


def _holds(now: datetime) -> QuerySet[Operation]:
    return Operation.objects.filter(state=OperationState.RUNNING, expires_at__lt=now - SETTLED)


def hold_release(finding: Finding) -> bool:
    """End a hold that has run out. Return whether it had."""
    operation = _holds(database_now()).filter(id=finding.object_id).first()
    return operation is not None and hold_end(operation=operation, actor=None)


def outcomes_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I7: operations that ended with an exchange of unknown outcome, until a later one succeeded.

    One that the sidecar rolled back has an end of its own: files are wholly as before. A restore into a new volume
    exchanges nothing: what it left is removed.
    """
    unspoken = [error.code for error in (WorkerLost, OperationTimedOut, OperationCancelled, ApplicationError)]
    given_up = Q(error_code=SidecarUnavailableError.code, finished_at__gt=F("created_at") + LAST_RESORT)
    later = Operation.objects.filter(
        order=OuterRef("order"),
        kind__in=kinds.EXCHANGES,
        state=OperationState.SUCCEEDED,
        finished_at__gt=OuterRef("finished_at"),
        volume_id=None,
    )
    begun = Q(exchange=ExchangeState.BEGUN) & (Q(error_code__in=unspoken) | given_up)
    over = Operation.objects.filter(kind__in=kinds.EXCHANGES, volume_id=None).exclude(state__in=LIVE_STATES)
    ended = over.filter(begun | Q(exchange=ExchangeState.UNENDED), ~Exists(later), **scope.of("operation"))
    for operation in rows_of(ended):
        yield Violation(code=Code.OUTCOME_UNKNOWN, object_type="operation", object_id=operation.id)


CHECKS = (
    Check(
        invariant=Invariant.I4,
        codes=frozenset({Code.CONSTRAINT_MISSING, Code.ACTIVE_TWICE}),
        find=exclusion_find,
    ),
    Check(
        invariant=Invariant.I4,
        codes=frozenset({Code.OPERATION_OVERDUE, Code.OPERATION_UNCLAIMED}),
        find=overdue_find,
        repair=lambda finding: finding.code == Code.OPERATION_OVERDUE and overdue_end(finding),
        unattended=True,
    ),
    Check(
        invariant=Invariant.I4,
        codes=frozenset({Code.HOLD_EXPIRED}),
        find=holds_find,
        repair=hold_release,
        unattended=True,
    ),
    Check(invariant=Invariant.I7, codes=frozenset({Code.OUTCOME_UNKNOWN}), find=outcomes_find),
    # The last check: its second reading comes a lease after the first, and the other checks shorten that wait.
    Check(
        invariant=Invariant.I4,
        codes=frozenset({Code.HEARTBEAT_STANDING}),
        find=heartbeats_find,
        repair=heartbeat_end,
        unattended=True,
    ),
)
