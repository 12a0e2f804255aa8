"""Counts of operations that are about to be deleted."""

from __future__ import annotations

from django.db.models import Count, F

from operations.models import LIVE_STATES, Operation, OperationTally
from orders.models import Order


def operations_tally(order: Order) -> None:
    """Add an order's operations to the tallies; call it in the transaction that deletes them with the order."""
    over = Operation.objects.filter(order=order).exclude(state__in=LIVE_STATES)
    # Sorted by key, so that two concurrent deletions cannot deadlock.
    counted = over.order_by("kind", "state").values_list("kind", "state").annotate(Count("id"))
    for kind, state, count in counted:
        OperationTally.objects.get_or_create(kind=kind, state=state)
        OperationTally.objects.filter(kind=kind, state=state).update(count=F("count") + count)
