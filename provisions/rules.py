"""The rules for changes to provisions. Services ask them before they write; pages, for the reason of a refusal."""

from __future__ import annotations

from accounts.models import User
from orders.models import Order
from orders.rights import OrderRight, order_change_require, right_require
from provisions.errors import NotAPrimaryDeployment, PatternsForbidden
from provisions.models import Provision


def exclude_require(*, user: User, provision: Provision) -> None:
    """Raise the first reason against new patterns of a server.

    In this order: PermissionDenied, OrderSuspended, NotAPrimaryDeployment, PatternsForbidden.
    """
    right_require(user, provision.order, OrderRight.DELETE)
    order_change_require(user, provision.order)
    if not provision.is_primary:
        raise NotAPrimaryDeployment
    patterns_require(user=user, order=provision.order)


def patterns_require(*, user: User, order: Order) -> None:
    """Raise PatternsForbidden when the plan takes no patterns of customers, and the caller is one."""
    if not order.plan.customer_patterns and not user.has_perm("orders.view_all_orders"):
        raise PatternsForbidden
