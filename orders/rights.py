"""Rights on orders, decided in this one place."""

from __future__ import annotations

from enum import StrEnum

from django.db.models import QuerySet

from accounts.errors import RightsExceeded
from accounts.models import User
from common.errors import PermissionDenied
from orders.errors import OrderSuspended
from orders.models import Order, OrderGroupPermission, OrderUserPermission


class OrderRight(StrEnum):
    """One right on an order; the values are the names of guardian's permissions."""

    VIEW = "view_order"
    CREATE = "create_backup"
    DOWNLOAD = "download_backup"
    RESTORE = "restore_backup"
    DELETE = "delete_backup"
    SCHEDULES = "manage_schedules"
    MEMBERS = "manage_members"


ALL_RIGHTS = frozenset(OrderRight)
STAFF_RIGHTS = frozenset({OrderRight.VIEW, OrderRight.CREATE, OrderRight.RESTORE, OrderRight.DELETE})


def orders_visible(user: User) -> QuerySet[Order]:
    """Every order the caller may see: their own, those they have any right on, and for such staff all."""
    if not user.is_active:
        return Order.objects.none()
    if user.has_perm("orders.view_all_orders"):
        return Order.objects.all()
    own = Order.objects.filter(customer__owner=user).values("id")
    direct = OrderUserPermission.objects.filter(user=user).values("content_object")
    by_group = OrderGroupPermission.objects.filter(group__user=user).values("content_object")
    # A union and not three conditions with “or”: for that a database reads every order there is.
    return Order.objects.filter(id__in=own.union(direct, by_group))


def order_visible(user: User, order: Order) -> bool:
    """Whether the order is one of `orders_visible`. Of the caller's own it is known without a question."""
    if user.is_active and order.customer.owner_id == user.id:
        return True
    return user.has_perm("orders.view_all_orders") or orders_visible(user).filter(id=order.id).exists()


def order_rights(user: User, order: Order) -> frozenset[OrderRight]:
    """The caller's rights on an order; empty when they may not even see it. Any right implies `view_order`."""
    if not user.is_active:
        return frozenset()
    if order.customer.owner_id == user.id or user.is_superuser:
        return ALL_RIGHTS
    rights: set[OrderRight] = set()
    if user.has_perm("orders.view_all_orders"):
        rights |= STAFF_RIGHTS
        if reads_all_data(user):
            rights.add(OrderRight.DOWNLOAD)
    given = OrderUserPermission.objects.filter(user=user, content_object=order)
    by_group = OrderGroupPermission.objects.filter(group__user=user, content_object=order)
    names = set(given.values_list("permission__codename").union(by_group.values_list("permission__codename")))
    rights |= {right for right in OrderRight if (right.value,) in names}
    return frozenset(rights | {OrderRight.VIEW}) if rights else frozenset()


def reads_all_data(user: User) -> bool:
    """Whether the caller may download the data of every order."""
    return user.has_perm("orders.view_all_orders") and user.has_perm("backups.read_customer_data")


def right_held_require(actor: User | None, order: Order, right: OrderRight) -> None:
    """Raise RightsExceeded when `actor` lacks the right that they would give, take or gain; None is the product."""
    if actor is not None and right not in order_rights(actor, order):
        raise RightsExceeded


def right_require(user: User, order: Order, right: OrderRight) -> None:
    """Raise PermissionDenied when the caller, who sees the order, lacks the right."""
    if right not in order_rights(user, order):
        raise PermissionDenied


def order_not_suspended(order: Order) -> None:
    """Raise OrderSuspended when it is: nothing new is made for it, for any caller."""
    if order.is_suspended:
        raise OrderSuspended


def order_change_require(user: User, order: Order) -> None:
    """Raise OrderSuspended when the order is suspended: its members then read and download, nothing else.

    Staff with rights on every order keep them: to clean up, and to take the server back.
    """
    # The suspension is loaded already; the rights on every order need a query.
    if order.is_suspended and not user.has_perm("orders.view_all_orders"):
        raise OrderSuspended
