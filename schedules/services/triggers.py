"""Writes of triggers: a customer turns one on, changes it, and turns it off."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.audit import audit_record
from backups.rules import order_allows_backups
from common.errors import ValidationError
from common.locks import row_lock
from common.sizes import size_text
from orders.models import Order
from orders.rights import OrderRight, order_change_require, right_require
from orders.services.orders import order_lock
from provisions.models import Provision
from provisions.selectors import provision_get, provision_sidecar
from schedules.errors import SchedulesNotOffered
from schedules.models import Trigger, TriggerKind
from schedules.models.trigger import INTERVAL_MINUTES_MAX, LIMIT_BYTES_DEFAULT, LIMIT_BYTES_MAX, LIMIT_BYTES_MIN

NOTHING_SEEN: dict[str, Any] = {"counters": "", "seen": None, "due_at": None, "failures": 0, "error_code": ""}
"""The memory of a trigger that is turned on: what happened before is no reason for a backup."""


def trigger_set(  # everything that a trigger can be asked for
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID,
    kind: TriggerKind,
    enabled: bool,
    limit_bytes: int | None = None,
    interval_minutes: int | None = None,
) -> Trigger:
    """Turn a trigger of a server on or off, and set its limit and interval.

    interval_minutes: None for the shortest that the plan allows. A trigger that was on keeps what it has seen. Raises,
    in this order: OrderNotFound, ProvisionNotFound, PermissionDenied, OrderSuspended, ValidationError, and for one
    that is turned on PlanHasNoBackups, SchedulesNotOffered, NotAPrimaryDeployment, NoSidecar.
    """
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    order = provision.order
    triggers_require(user=user, order=order)
    if limit_bytes is None and not enabled and kind == TriggerKind.CHANGED_BYTES:
        limit_bytes = LIMIT_BYTES_DEFAULT
    interval = order.plan.shortest_interval_minutes if interval_minutes is None else interval_minutes
    _require_possible(order, kind=kind, limit_bytes=limit_bytes, interval_minutes=interval)
    if enabled:
        trigger_require(order=order, provision=provision)
    with transaction.atomic():
        order_lock(order_id)
        trigger = row_lock(Trigger.objects.filter(provision=provision, kind=kind))
        if trigger is None:
            trigger = Trigger(provision=provision, kind=kind, enabled=False, created_by=user)
        if not (enabled and trigger.enabled):
            for name, value in NOTHING_SEEN.items():
                setattr(trigger, name, value)
        trigger.enabled, trigger.limit_bytes, trigger.interval_minutes = enabled, limit_bytes, interval
        trigger.next_look_at = timezone.now() if enabled else None
        trigger.save()
        audit_record(
            actor=user,
            action="trigger.set",
            order_id=order_id,
            object_id=provision_id,
            kind=kind,
            enabled=enabled,
            limit_bytes=limit_bytes,
            interval_minutes=interval,
        )
    return trigger


def triggers_require(*, user: User, order: Order) -> None:
    """Raise PermissionDenied, OrderSuspended when the caller may not change the triggers of an order."""
    right_require(user, order, OrderRight.SCHEDULES)
    order_change_require(user, order)


def trigger_require(*, order: Order, provision: Provision) -> None:
    """Raise the reason why no trigger of a server can be on.

    OrderSuspended, PlanHasNoBackups, SchedulesNotOffered, NotAPrimaryDeployment, NoSidecar.
    """
    order_allows_backups(order)
    if not order.plan.customer_schedules:
        raise SchedulesNotOffered
    provision_sidecar(provision)


def _require_possible(order: Order, *, kind: TriggerKind, limit_bytes: int | None, interval_minutes: int) -> None:
    """Raise ValidationError with each impossible field."""
    errors: dict[str, list[str]] = {}
    if kind != TriggerKind.CHANGED_BYTES:
        if limit_bytes is not None:
            errors["limit_bytes"] = [_("Only the trigger by changed bytes has a limit.")]
    elif limit_bytes is None or not LIMIT_BYTES_MIN <= limit_bytes <= LIMIT_BYTES_MAX:
        bounds = {"least": size_text(LIMIT_BYTES_MIN), "most": size_text(LIMIT_BYTES_MAX)}
        errors["limit_bytes"] = [_("Between %(least)s and %(most)s.") % bounds]
    shortest = order.plan.shortest_interval_minutes
    if not shortest <= interval_minutes <= INTERVAL_MINUTES_MAX:
        minutes = {"least": shortest, "most": INTERVAL_MINUTES_MAX}
        errors["interval_minutes"] = [_("Between %(least)s and %(most)s minutes: the least is your plan's.") % minutes]
    if errors:
        raise ValidationError(errors=errors)
