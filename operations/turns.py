"""The queue of operations: the operations that may be claimed now, in an order that is fair between customers.

Start-time fair queueing. An operation gets its turn, a number, when it is enqueued: that of the queue's head, or one
more than the turn of its customer's newest queued operation. So the thousandth operation of one customer stands a
thousand rounds behind its first, and the first of another customer beside the head. Among equal turns, work that a
person waits for goes first, then the oldest. Asked work also gets a head start of `AHEAD` rounds over background work:
so many operations of each customer precede all background work, and the rest of them cannot hold it up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from operations.models import Operation, OperationState, Priority

Name = TypeVar("Name", bound=Hashable)

AHEAD = 10
"""So many asked operations of a customer go before all work in the background."""
QUEUE_ORDER = ("turn", "priority", "created_at", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most operations that run at the same time: in all, of one sidecar host, of one target; 0 for no limit."""

    in_all: int
    per_host: int
    per_target: int

    @classmethod
    def of_settings(cls) -> Limits:
        """The limits that the environment sets."""
        return cls(
            in_all=settings.SAVEPOINT_OPERATIONS_MAX,
            per_host=settings.SAVEPOINT_OPERATIONS_PER_HOST,
            per_target=settings.SAVEPOINT_OPERATIONS_PER_TARGET,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The machine of the sidecar and the storage target that an operation uses; empty for none."""

    host: str = ""
    target_id: UUID | None = None


def operations_running() -> QuerySet[Operation]:
    """The operations that workers run; holds are not among them."""
    return Operation.objects.filter(state=OperationState.RUNNING, expires_at__isnull=True)


def operations_due() -> QuerySet[Operation]:
    """The queued operations that need not wait for a later time."""
    due = Q(not_before__isnull=True) | Q(not_before__lte=timezone.now())
    return Operation.objects.filter(due, state=OperationState.QUEUED)


def operations_claimable() -> QuerySet[Operation]:
    """The operations that may be claimed now: due, and within every limit. In the order of the queue."""
    limits = Limits.of_settings()
    running = list(
        operations_running().values_list("host", "target_id", "order_id", "order__plan__parallel_operations")
    )
    if limits.in_all and len(running) >= limits.in_all:
        return Operation.objects.none()
    hosts = _full((host for host, *_ in running if host), limits.per_host)
    targets = _full((target for _, target, *_ in running if target is not None), limits.per_target)
    rows = operations_due()
    if hosts:
        rows = rows.exclude(host__in=hosts)
    if targets:
        rows = rows.exclude(target_id__in=targets)
    if orders := _orders_full((order, most) for *_, order, most in running):
        rows = rows.exclude(order_id__in=orders)
    return rows.order_by(*QUEUE_ORDER)


def _full(used: Iterable[Name], most: int) -> list[Name]:
    return [name for name, count in Counter(used).items() if count >= most] if most else []


def _orders_full(running: Iterable[tuple[UUID | None, int | None]]) -> list[UUID]:
    counted = Counter((order, most) for order, most in running if order is not None and most is not None)
    return [order for (order, most), count in counted.items() if count >= most]


def turn_next(*, customer_id: UUID | None, priority: Priority) -> int:
    """The turn of an operation that is being enqueued."""
    queued = Operation.objects.filter(state=OperationState.QUEUED)
    newest = queued.filter(customer_id=customer_id, priority=priority).aggregate(turn=Max("turn"))["turn"]
    head = _head(priority)
    return head if newest is None else max(head, newest + 1)


def _head(priority: Priority) -> int:
    """The place of the queue's head for a class: how far claims have come, in rounds."""
    came: dict[Priority, int] = {}
    for turn, of in operations_running().values_list("turn", "priority"):
        came[Priority(of)] = max(turn, came.get(Priority(of), turn))
    for of in Priority:
        head = operations_due().filter(priority=of).aggregate(turn=Min("turn"))["turn"]
        if head is not None:
            came[of] = max(head, came.get(of, head))
    asked, background = came.get(Priority.ASKED), came.get(Priority.BACKGROUND)
    if priority is Priority.BACKGROUND:
        return background if background is not None else asked or 0
    ahead = None if background is None else background - AHEAD
    return min((place for place in (asked, ahead) if place is not None), default=0)
