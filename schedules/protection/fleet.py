"""Reads about all orders at once, of the stored protection. For staff who may see every order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from accounts.models import User
from orders.models import Order
from orders.selectors import orders_found
from schedules.models import OrderProtection, Schedule
from schedules.protection.state import State

SCHEDULES_LATE = timedelta(minutes=10)
"""The tick looks at due schedules every minute: one that it has left for longer shows that it does not."""
ABSENT = "absent"
"""The orders whose alarm is on, beside the states."""


NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Sorts orders without a good backup before all others."""


def fleet_counts() -> dict[str, int]:
    """How many orders have each state, and how many an alarm; an order that is too new for a row is not counted."""
    states = {state.value: Count("order", filter=Q(state=state)) for state in State}
    return OrderProtection.objects.aggregate(**states, **{ABSENT: Count("order", filter=Q(absent_at__isnull=False))})


def fleet_orders(*, user: User, state: str, words: str = "", plan: int | None = None) -> QuerySet[Order]:
    """The orders of one state, or those with an alarm, which staff may see, with customer, owner and plan, in no order.

    words: a part of the name of order or customer, or an id. plan: only orders on it. Each order has `good_at` of its
    protection, and a time before all others without one.
    """
    wanted = Q(protection__absent_at__isnull=False) if state == ABSENT else Q(protection__state=state)
    good_at = Coalesce("protection__good_at", Value(NEVER))
    orders = orders_found(user=user, words=words).filter(wanted).annotate(good_at=good_at)
    return orders.filter(plan=plan) if plan else orders


def schedules_due_since() -> datetime | None:
    """The time for which the next of all schedules is due; it lies behind while the tick does not look at them."""
    due: datetime | None = Schedule.objects.aggregate(due=Min("next_due_at"))["due"]
    return due
