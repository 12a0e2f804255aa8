"""Reads of schedules and triggers, scoped to the caller."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import User
from common.errors import ValidationError
from orders.models import Order
from orders.selectors import order_get
from provisions.errors import NotAPrimaryDeployment
from provisions.models import Provision
from provisions.selectors import provision_get, provisions_of
from schedules.cron import cron_parse
from schedules.errors import ScheduleNotFound
from schedules.models import RunState, Schedule, ScheduleRun, Trigger, TriggerKind
from schedules.models.trigger import LIMIT_BYTES_DEFAULT
from schedules.occurrences import occurrences_first, zone_of

NEXT_RUNS = 5


def schedules_of(*, user: User, order_id: UUID, provision_id: UUID | None) -> QuerySet[Schedule]:
    """The schedules of a server, or those of an order that back up all its servers (None).

    Raises OrderNotFound, ProvisionNotFound.
    """
    if provision_id is None:
        order = order_get(user=user, order_id=order_id)
    else:
        order = provision_get(user=user, order_id=order_id, provision_id=provision_id).order
    rows = Schedule.objects.filter(order=order, provision=provision_id)
    return rows.select_related("order__plan", "order__customer", "provision")


def schedule_names(order: Order) -> list[tuple[UUID, str]]:
    """Id and name of every schedule of an order, and of its servers, which the caller was found to see."""
    return list(Schedule.objects.filter(order=order).order_by("created_at", "id").values_list("id", "name"))


def schedule_get(*, user: User, order_id: UUID, provision_id: UUID | None, schedule_id: UUID) -> Schedule:
    """One schedule. Raises OrderNotFound, ProvisionNotFound, ScheduleNotFound."""
    found = schedules_of(user=user, order_id=order_id, provision_id=provision_id).filter(id=schedule_id).first()
    if found is None:
        raise ScheduleNotFound
    return found


def next_runs(schedule: Schedule, *, after: datetime) -> list[datetime]:
    """The next five due times, whether the schedule is paused or not; none when its rule cannot be read."""
    try:
        cron, zone = cron_parse(schedule.cron), zone_of(schedule.time_zone)
    except ValidationError:
        return []
    return occurrences_first(cron, zone=zone, after=after, count=NEXT_RUNS)


def last_runs(schedules: Iterable[Schedule]) -> dict[UUID, ScheduleRun]:
    """The newest run of each schedule that has begun or ended; a schedule without one is missing."""
    ids = [schedule.id for schedule in schedules]
    begun = ScheduleRun.objects.filter(schedule=OuterRef("pk")).exclude(state=RunState.DUE)
    newest = Subquery(begun.order_by("-due_at", "-id").values("id")[:1])
    found = Schedule.objects.filter(id__in=ids).annotate(newest=newest).values_list("newest", flat=True)
    runs = ScheduleRun.objects.filter(id__in=[run for run in found if run])
    return {run.schedule_id: run for run in runs}


def runs_of(schedule: Schedule) -> QuerySet[ScheduleRun]:
    """The runs of a schedule that the caller was found to see, the newest first."""
    return schedule.runs.order_by("-due_at", "-id")


def servers_of(schedule: Schedule) -> list[Provision]:
    """The servers that a schedule backs up. Raises NotAPrimaryDeployment when its order has none."""
    servers = [server for server in provisions_of(schedule.order) if server.is_primary]
    found = [server for server in servers if schedule.provision_id in (None, server.id)]
    if not found:
        raise NotAPrimaryDeployment
    return found


def open_runs(schedule_ids: Collection[UUID]) -> set[tuple[UUID, UUID]]:
    """Schedule and server of every run that waits for its start."""
    waiting = ScheduleRun.objects.filter(schedule__in=schedule_ids, state=RunState.DUE)
    return set(waiting.values_list("schedule", "provision"))


def order_schedules(order: Order) -> QuerySet[Schedule]:
    """All schedules of an order that the caller was found to see, those of the plan first, then the oldest first."""
    return Schedule.objects.filter(order=order).select_related("provision").order_by("-of_plan", "created_at", "id")


def order_schedule_get(*, order: Order, schedule_id: UUID) -> Schedule:
    """One schedule of an order that the caller was found to see. Raises ScheduleNotFound."""
    schedule = order_schedules(order).filter(id=schedule_id).first()
    if schedule is None:
        raise ScheduleNotFound
    schedule.order = order
    return schedule


def triggers_of(*, user: User, order_id: UUID, provision_id: UUID) -> list[Trigger]:
    """One trigger of each kind of a server; those that were never set are disabled, and not saved.

    Raises OrderNotFound, ProvisionNotFound.
    """
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    known = {trigger.kind: trigger for trigger in Trigger.objects.filter(provision=provision)}
    return [known.get(kind) or trigger_unset(provision_id=provision.id, kind=kind) for kind in TriggerKind]


def trigger_unset(*, provision_id: UUID, kind: TriggerKind) -> Trigger:
    """A trigger that was never set: disabled, and not saved."""
    limit_bytes = LIMIT_BYTES_DEFAULT if kind == TriggerKind.CHANGED_BYTES else None
    return Trigger(provision_id=provision_id, kind=kind, enabled=False, limit_bytes=limit_bytes)
