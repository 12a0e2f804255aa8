"""Reads of orders, scoped to the caller."""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from orders.errors import OrderNotFound
from orders.models import Order
from orders.rights import orders_visible


def order_get(*, user: User, order_id: UUID) -> Order:
    """The order, if the caller may see it. Raises OrderNotFound."""
    order = orders_visible(user).select_related("customer", "plan").filter(id=order_id).first()
    if order is None:
        raise OrderNotFound
    return order
