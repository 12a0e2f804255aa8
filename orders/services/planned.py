"""Followers of plans: layers above that do what a plan says, and check the columns that only they can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import QuerySet

from orders.models import Order, Plan


@dataclass(frozen=True, slots=True)
class PlanFollower:
    """Callbacks of a layer. check: raises Django's ValidationError for an impossible plan. follow: brings the layer's
    rows for some orders in line with their plans; called in the transaction that changes a plan, or the plan of an
    order.
    """

    check: Callable[[Plan], None]
    follow: Callable[[QuerySet[Order]], object]


_followers: list[PlanFollower] = []


def plan_follow(follower: PlanFollower) -> None:
    """Register a follower; called once, when its app is ready."""
    if follower not in _followers:
        _followers.append(follower)


def plan_check(plan: Plan) -> None:
    """Raise Django's ValidationError with the columns of a plan that no follower can act on."""
    for follower in _followers:
        follower.check(plan)


def plan_followed(orders: QuerySet[Order]) -> None:
    """Let every follower act on the plans of some orders, which are new or have changed."""
    for follower in _followers:
        follower.follow(orders)
