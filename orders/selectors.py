"""Reads of orders, scoped to the caller."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import User
from orders.errors import OrderNotFound
from orders.models import Order
from orders.rights import order_visible, orders_visible


def orders_found(*, user: User, words: str) -> QuerySet[Order]:
    """The orders the caller may see, with customer and plan, in no order; `words` is part of a name, or an id."""
    orders = orders_visible(user).select_related("customer__owner", "plan")
    if not words:
        return orders
    named = Q(name__icontains=words) | Q(customer__name__icontains=words)
    try:
        return orders.filter(named | Q(id=UUID(words)))
    except ValueError:
        return orders.filter(named)


def order_get(*, user: User, order_id: UUID) -> Order:
    """The order, if the caller may see it. Raises OrderNotFound."""
    order = Order.objects.select_related("customer__owner", "plan").filter(id=order_id).first()
    if order is None or not order_visible(user, order):
        raise OrderNotFound
    return order
