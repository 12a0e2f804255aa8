"""Changes to schedules by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.audit import audit_record
from common.errors import PermissionDenied
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.locks import row_lock
from orders.models import Order
from orders.selectors import order_get
from orders.services.orders import order_lock
from provisions.errors import NotAPrimaryDeployment
from provisions.models import Provision
from provisions.selectors import provision_get
from schedules.cron import cron_parse
from schedules.errors import ScheduleLimitReached, ScheduleNotFound
from schedules.models import Schedule
from schedules.occurrences import occurrence_next, zone_of
from schedules.rules import Settings, change_require, delete_require, settings_check, settings_of
from schedules.selectors import schedule_get

SCHEDULES_MAX = 50
"""How many schedules an order can have."""


def schedule_create(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID | None,
    settings: Settings,
    idempotency: IdempotencyKey | None = None,
    now: datetime | None = None,
) -> Schedule:
    """Make a schedule for a server, or for every server of the order (None).

    Raises, in this order: OrderNotFound, ProvisionNotFound, PermissionDenied, OrderSuspended, PlanHasNoBackups,
    SchedulesNotOffered, NotAPrimaryDeployment, ScheduleLimitReached, PatternsForbidden, and ValidationError with the
    wrong fields; before all rules IdempotencyKeyReused.
    """
    order, provision = _owner(user=user, order_id=order_id, provision_id=provision_id)

    def find(schedule_id: UUID) -> Schedule:
        return schedule_get(user=user, order_id=order_id, provision_id=provision_id, schedule_id=schedule_id)

    def make() -> Schedule:
        moment = now or timezone.now()
        change_require(user=user, order=order)
        if provision is not None and not provision.is_primary:
            raise NotAPrimaryDeployment
        with transaction.atomic():
            order_lock(order.id)
            if Schedule.objects.filter(order=order, of_plan=False).count() >= SCHEDULES_MAX:
                raise ScheduleLimitReached(limit=SCHEDULES_MAX)
            checked = settings_check(user=user, order=order, settings=settings, now=moment)
            schedule = Schedule(
                order=order, provision=provision, created_by=user, created_at=moment, **checked.columns()
            )
            schedule.next_due_at = None if schedule.paused else due_next(schedule, after=moment)
            schedule.save(force_insert=True)
            idempotency_store(idempotency, object_id=schedule.id)
            audit_record(
                actor=user, action="schedule.create", order_id=order.id, object_id=schedule.id, cron=schedule.cron,
                time_zone=schedule.time_zone,
            )  # fmt: skip
        return schedule

    return idempotent(idempotency, find=find, make=make)


def schedule_update(
    *, user: User, schedule: Schedule, changes: Mapping[str, Any], now: datetime | None = None
) -> Schedule:
    """Change settings of a schedule for its owner, by their names in `Settings`.

    New times count from now on. A schedule that is no longer paused runs once for all that it missed. Raises
    PermissionDenied, OrderSuspended, ScheduleOfPlan, PlanHasNoBackups, SchedulesNotOffered, PatternsForbidden,
    ValidationError, ScheduleNotFound.
    """
    moment = now or timezone.now()
    change_require(user=user, order=schedule.order, schedule=schedule)
    with transaction.atomic():
        current = row_lock(Schedule.objects.filter(id=schedule.id))
        if current is None:
            raise ScheduleNotFound
        before = settings_of(current)
        wanted = replace(before, **changes)
        checked = settings_check(user=user, order=schedule.order, settings=wanted, now=moment)
        for name, value in checked.columns().items():
            setattr(current, name, value)
        if current.paused:
            current.next_due_at = None
        elif current.error_code or (checked.cron, checked.time_zone) != (before.cron, before.time_zone):
            current.error_code, current.next_due_at = "", due_next(current, after=moment)
        elif before.paused:
            current.next_due_at = due_next(current, after=_seen_until(current))
        current.save()
        told = {name: value for name, value in changes.items() if getattr(before, name) != value}
        audit_record(
            actor=user, action="schedule.update", order_id=current.order_id, object_id=current.id, **_plain(told)
        )
    current.order = schedule.order
    return current


def schedule_hold(*, user: User, schedule: Schedule, paused: bool) -> None:
    """Pause any schedule for the staff, or let it go on: it then runs once for all that it missed.

    Raises PermissionDenied, ScheduleNotFound, and ValidationError when the rule of the schedule cannot be read.
    """
    if not user.has_perm("schedules.change_schedule"):
        raise PermissionDenied
    with transaction.atomic():
        current = row_lock(Schedule.objects.filter(id=schedule.id))
        if current is None:
            raise ScheduleNotFound
        if current.paused == paused:
            return
        current.paused = paused
        current.next_due_at = None if paused or current.error_code else due_next(current, after=_seen_until(current))
        current.save(update_fields=["paused", "next_due_at"])
        audit_record(
            actor=user, action="schedule.update", order_id=current.order_id, object_id=current.id, paused=paused
        )


def schedule_delete(*, user: User, schedule: Schedule) -> None:
    """Delete a schedule; its backups stay.

    Raises PermissionDenied, OrderSuspended, ScheduleOfPlan, ScheduleNotFound.
    """
    delete_require(user=user, order=schedule.order, schedule=schedule)
    with transaction.atomic():
        if row_lock(Schedule.objects.filter(id=schedule.id)) is None:
            raise ScheduleNotFound
        Schedule.objects.filter(id=schedule.id).delete()
        audit_record(
            actor=user, action="schedule.delete", order_id=schedule.order_id, object_id=schedule.id, name=schedule.name
        )


def due_next(schedule: Schedule, *, after: datetime) -> datetime | None:
    """The first due time of a schedule later than `after`; None when no date matches any more.

    Raises ValidationError when its rule cannot be read.
    """
    return occurrence_next(cron_parse(schedule.cron), zone=zone_of(schedule.time_zone), after=after)


def _seen_until(schedule: Schedule) -> datetime:
    """The time up to which every due time of a schedule had its run."""
    newest = schedule.runs.order_by("-due_at").values_list("due_at", flat=True).first()
    return max(newest, schedule.created_at) if newest else schedule.created_at


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple | list) else value for name, value in values.items()}


def _owner(*, user: User, order_id: UUID, provision_id: UUID | None) -> tuple[Order, Provision | None]:
    if provision_id is None:
        return order_get(user=user, order_id=order_id), None
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    return provision.order, provision
