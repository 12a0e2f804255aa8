"""Reads about all orders at once, of the stored protection. For staff who may see every order."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet

from orders.models import Order
from schedules.models import OrderProtection, Schedule
from schedules.protection.state import State

ABSENT = "absent"
"""The orders whose alarm is on, beside the states."""


def fleet_counts() -> dict[str, int]:
    """How many orders have each state, and how many an alarm; an order that is too new for a row is not counted."""
    states = {state.value: Count("order", filter=Q(state=state)) for state in State}
    return OrderProtection.objects.aggregate(**states, **{ABSENT: Count("order", filter=Q(absent_at__isnull=False))})


def fleet_orders(state: str) -> QuerySet[Order]:
    """The orders of one state, or those with an alarm, with customer, owner and plan, in no order."""
    orders = Order.objects.select_related("customer__owner", "plan")
    if state == ABSENT:
        return orders.filter(protection__absent_at__isnull=False)
    return orders.filter(protection__state=state)


def schedules_due_since() -> datetime | None:
    """The time for which the next of all schedules is due; it lies behind while the tick does not look at them."""
    due: datetime | None = Schedule.objects.aggregate(due=Min("next_due_at"))["due"]
    return due
