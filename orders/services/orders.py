"""Writes of orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from guardian.shortcuts import assign_perm, remove_perm

from accounts.models import Customer, User
from accounts.services.audit import audit_record
from common.locks import row_lock
from orders.errors import OrderNotFound
from orders.models import Order, Plan
from orders.rights import OrderRight, right_held_require
from orders.services.planned import plan_followed


@dataclass(frozen=True, slots=True)
class Dependents:
    """Callbacks of a layer whose rows depend on orders. All are called under the order's lock.

    refuse: raises when the order, or a provision of it, may not be deleted now. release: removes the rows that belong
    to an order that is being deleted. release_part: gives up what was made for the provision with this id, which is
    being deleted.
    """

    refuse: Callable[[Order], None]
    release: Callable[[Order], None]
    release_part: Callable[[UUID], None]


_dependents: list[Dependents] = []


def dependents_register(dependents: Dependents) -> None:
    """Register the callbacks of a layer; called once, when its app is ready."""
    if dependents not in _dependents:
        _dependents.append(dependents)


def dependents_refuse(order: Order) -> None:
    """Raise when a layer above needs the order as it is. The caller holds the order's lock."""
    for dependents in _dependents:
        dependents.refuse(order)


def dependents_release_part(provision_id: UUID) -> None:
    """Let the layers above give up what they made for a provision that is being deleted."""
    for dependents in _dependents:
        dependents.release_part(provision_id)


def order_create(*, customer: Customer, plan: Plan, name: str) -> Order:
    """Create an order for a customer."""
    with transaction.atomic():
        order = Order.objects.create(customer=customer, plan=plan, name=name)
        audit_record(actor=None, action="order.create", order_id=order.id, object_id=order.id)
        plan_followed(Order.objects.filter(id=order.id))
    return order


def order_lock(order_id: UUID) -> Order:
    """Lock the order's row until the transaction ends: limits and exclusive operations are decided under it.

    Raises OrderNotFound when it is gone.
    """
    order = row_lock(Order.objects.select_related("customer", "plan").filter(id=order_id))
    if order is None:
        raise OrderNotFound
    return order


def order_delete(*, order: Order, actor: User | None) -> None:
    """Delete an order with its provisions and backups. Raises BackupInProgress while an operation is active on it."""
    with transaction.atomic():
        locked = order_lock(order.id)
        dependents_refuse(locked)
        audit_record(actor=actor, action="order.delete", order_id=order.id, object_id=order.id)
        for dependents in _dependents:
            dependents.release(locked)
        locked.delete()


def member_grant(*, order: Order, user: User, right: OrderRight, actor: User | None) -> None:
    """Give a user one right on an order. Raises RightsExceeded where `actor` lacks it themselves."""
    right_held_require(actor, order, right)
    with transaction.atomic():
        assign_perm(right.value, user, order)
        audit_record(actor=actor, action="member.grant", order_id=order.id, object_id=user.id, right=right.value)


def member_withdraw(*, order: Order, user: User, right: OrderRight, actor: User | None) -> None:
    """Take one right on an order from a user. Raises RightsExceeded where `actor` lacks it themselves."""
    right_held_require(actor, order, right)
    with transaction.atomic():
        remove_perm(right.value, user, order)
        audit_record(actor=actor, action="member.withdraw", order_id=order.id, object_id=user.id, right=right.value)
