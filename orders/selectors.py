"""Reads of orders, scoped to the caller."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import User
from orders.errors import OrderNotFound
from orders.models import Order, Plan, PlanReduction
from orders.retention import RetentionPolicy
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPromise:
    """What an order is promised for existing backups: how many of each server, and by which policy they are kept."""

    backup_limit: int
    retention: RetentionPolicy


def promise_of(plan: Plan) -> PlanPromise:
    """The promise of a plan."""
    return PlanPromise(backup_limit=plan.backup_limit, retention=RetentionPolicy.from_json(plan.schedule_retention))


def reduction_pending(order: Order) -> PlanReduction | None:
    """The reduction of an order's plan that has not taken effect. An instance reads it once: a page asks often."""
    read = vars(order)
    if "pending_reduction" not in read:
        read["pending_reduction"] = PlanReduction.objects.filter(order=order, ended_at__isnull=True).first()
    pending: PlanReduction | None = read["pending_reduction"]
    return pending


def order_promise(order: Order) -> PlanPromise:
    """The promise that holds for an order now: that of its plan, or the earlier one until a reduction takes effect."""
    return promise_until(order, reduction_pending(order))


def promise_until(order: Order, pending: PlanReduction | None) -> PlanPromise:
    """As `order_promise`, where the pending reduction was read already."""
    return promise_of(order.plan) if pending is None else reduction_promise(pending)


def reduction_promise(reduction: PlanReduction) -> PlanPromise:
    """The promise that holds until a reduction takes effect."""
    policy = RetentionPolicy.from_json(reduction.retention)
    return PlanPromise(backup_limit=reduction.backup_limit, retention=policy)


def keeps_less(promise: PlanPromise, *, than: PlanPromise) -> bool:
    """Whether a promise may remove a backup that another one keeps."""
    return promise.backup_limit < than.backup_limit or promise.retention.keeps_less_than(than.retention)
