"""The suspension of orders: its date of removal, its warnings, and its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import transaction

from accounts.models import User
from accounts.services.audit import audit_record
from common.clock import database_now
from common.errors import PermissionDenied
from orders.models import Order
from orders.services.orders import order_lock

WARNED_DAYS: Final = (1, 3, 7)
"""The days before the removal at which its customer is warned; the last warning first."""
DAY: Final = timedelta(days=1)


class SuspensionStage(StrEnum):
    """A step of a suspension."""

    SUSPENDED = "suspended"
    WARNED = "warned"
    LIFTED = "lifted"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionStep:
    """A step, for the layers that tell people. days: before the removal, of a warning. locked: names of backups that
    are locked against deletion, and go all the same.
    """

    order: Order
    stage: SuspensionStage
    removal_at: datetime | None
    days: int | None = None
    backups: int = 0
    locked: tuple[str, ...] = ()


_listeners: list[Callable[[SuspensionStep], None]] = []


def suspension_listen(listener: Callable[[SuspensionStep], None]) -> None:
    """Call `listener` with every step, in the transaction of the step."""
    if listener not in _listeners:
        _listeners.append(listener)


def suspension_tell(step: SuspensionStep) -> None:
    """Tell the listeners of a step. Call it in the transaction of the step."""
    for listener in _listeners:
        listener(step)


def order_suspend(*, order: Order, since: datetime | None, actor: User | None, terminates: bool | None = None) -> Order:
    """Suspend an order since a time, or lift the suspension (None); return it as it is now.

    Its backups are removed as many days later as its plan says, counted from now at the earliest. An order that is
    suspended already keeps that date unless `since` is another one. terminates: whether the order is deleted then; None
    keeps what was asked before. Raises OrderNotFound.
    """
    with transaction.atomic():
        current = order_lock(order.id)
        had = current.suspended_at, current.removal_at, current.terminates
        if since is None:
            current.suspended_at = current.removal_at = current.warned_at = current.warned_days = None
            current.terminates = False
        else:
            if current.removal_at is None or since != current.suspended_at:
                current.removal_at = removal_date(current, since)
                current.warned_at = current.warned_days = None
            current.suspended_at = since
            current.terminates = current.terminates if terminates is None else terminates
        if had == (current.suspended_at, current.removal_at, current.terminates):
            return current
        current.save(update_fields=["suspended_at", "removal_at", "warned_at", "warned_days", "terminates"])
        audit_record(
            actor=actor,
            action="order.suspend" if since else "order.unsuspend",
            order_id=current.id,
            terminates=current.terminates,
        )
        stage = SuspensionStage.SUSPENDED if since else SuspensionStage.LIFTED
        suspension_tell(SuspensionStep(order=current, stage=stage, removal_at=current.removal_at))
    return current


def order_suspend_now(*, user: User, order: Order, terminates: bool = False) -> Order:
    """Suspend an order for staff, from now on unless it is suspended; `terminates` also asks for its deletion.

    A deletion that was asked for stays. Raises PermissionDenied unless the caller may change orders, or delete them.
    """
    if not user.has_perm("orders.delete_order" if terminates else "orders.change_order"):
        raise PermissionDenied
    since = order.suspended_at if order.is_suspended else database_now()
    return order_suspend(order=order, since=since, actor=user, terminates=True if terminates else None)


def order_unsuspend(*, user: User, order: Order) -> Order:
    """Lift the suspension of an order for staff, and take its deletion back. Raises PermissionDenied."""
    if not user.has_perm("orders.change_order"):
        raise PermissionDenied
    return order_suspend(order=order, since=None, actor=user)


def removal_date(order: Order, since: datetime) -> datetime:
    """The date of the removal for a suspension that begins at a time, by the database's clock."""
    return max(since, database_now()) + timedelta(days=order.plan.suspension_days)


def warning_due(order: Order, now: datetime) -> int | None:
    """The days of the warning that is due for an order, or None.

    After a clock jumped, or nothing ran for days, only the last warning of those that are due is sent.
    """
    if order.removal_at is None:
        return None
    due = next((days for days in WARNED_DAYS if order.removal_at - now <= days * DAY), None)
    return due if due is not None and (order.warned_days is None or due < order.warned_days) else None


def order_warn(order: Order, *, days: int, now: datetime, backups: int, locked: tuple[str, ...]) -> None:
    """Record and tell a warning. The last one moves the date so that a whole day is left after it.

    Call it under the order's lock.
    """
    if order.removal_at is None:
        return
    order.warned_at, order.warned_days = now, days
    if days == WARNED_DAYS[0]:
        order.removal_at = max(order.removal_at, now + DAY)
    order.save(update_fields=["warned_at", "warned_days", "removal_at"])
    audit_record(actor=None, action="order.removal_warn", order_id=order.id, days=days)
    suspension_tell(
        SuspensionStep(
            order=order,
            stage=SuspensionStage.WARNED,
            removal_at=order.removal_at,
            days=days,
            backups=backups,
            locked=locked,
        )
    )


def removal_is_due(order: Order, now: datetime) -> bool:
    """Whether the backups of an order are to be removed now: its date has come, and its last warning was sent."""
    return (
        order.suspended_at is not None
        and order.removal_at is not None
        and order.removal_at <= now
        and order.warned_days == WARNED_DAYS[0]
    )
