"""The schedules of plans: an order has that of its plan, for all its servers, without anyone setting it up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.core.exceptions import ValidationError as FieldError
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from common.clock import database_now
from common.errors import ValidationError
from orders.models import BackupSource, Order, Plan
from orders.services.planned import PlanFollower
from schedules.cron import cron_parse, cron_require
from schedules.models import Schedule
from schedules.occurrences import occurrence_next, zone_of

AT_ONCE = 1000
"""So many orders get or lose their schedule in the transaction that changes a plan; the chore does the others."""
SOURCES = (BackupSource.FILES,)
"""The sources that a plan's schedule backs up, each by a schedule of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The schedule of a plan. error_code: why it cannot run."""

    cron: str
    time_zone: str
    retention: dict[str, int]
    next_due_at: datetime | None
    error_code: str

    def columns(self) -> dict[str, Any]:
        """The values as the columns of a schedule."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def plan_schedule_check(plan: Plan) -> None:
    """Raise Django's ValidationError for a schedule of a plan that cannot run."""
    errors: dict[str, list[str]] = {}
    try:
        zone_of(plan.schedule_time_zone)
    except ValidationError as error:
        errors["schedule_time_zone"] = error.errors["time_zone"]
    try:
        if plan.schedule_cron:
            cron_require(cron_parse(plan.schedule_cron), shortest=None, now=database_now())
    except ValidationError as error:
        errors["schedule_cron"] = error.errors["cron"]
    if errors:
        raise FieldError(errors)


def plan_schedules_follow(orders: QuerySet[Order]) -> int:
    """Make, change and delete the schedules of plans for some orders; return how many."""
    now = database_now()
    plans = Plan.objects.filter(id__in=orders.order_by().values("plan"))
    return sum(_follow(plan, orders.filter(plan=plan), now=now) for plan in plans)


def plan_schedules_repair() -> int:
    """Bring the schedules of all plans in line with their plans; return how many were made, changed and deleted."""
    done = 0
    while True:
        with transaction.atomic():
            changed = plan_schedules_follow(Order.objects.all())
        done += changed
        if changed < AT_ONCE:
            return done


FOLLOWER = PlanFollower(check=plan_schedule_check, follow=plan_schedules_follow)


def _follow(plan: Plan, orders: QuerySet[Order], *, now: datetime) -> int:
    mine = Schedule.objects.filter(of_plan=True, order__in=orders)
    wanted = _wanted(plan, now=now)
    sources = [source for source in SOURCES if wanted and (not plan.sources or source in plan.sources)]
    gone = list(mine.exclude(source__in=sources).values_list("id", flat=True)[:AT_ONCE])
    Schedule.objects.filter(id__in=gone).delete()
    if wanted is None:
        return len(gone)
    rule = {"cron": wanted.cron, "time_zone": wanted.time_zone, "error_code": wanted.error_code}
    changed = mine.exclude(**rule).update(**wanted.columns())
    changed += mine.exclude(retention=wanted.retention).update(retention=wanted.retention)
    return len(gone) + changed + sum(_make(wanted, orders, source, now=now) for source in sources)


def _make(wanted: Wanted, orders: QuerySet[Order], source: BackupSource, *, now: datetime) -> int:
    known = Schedule.objects.filter(order=OuterRef("pk"), of_plan=True, source=source)
    missing = orders.filter(~Exists(known)).select_related("customer__owner").order_by("id")[:AT_ONCE]
    made = [
        Schedule(
            id=plan_schedule_id(order.id, source),
            order=order,
            name=_name(order.customer.owner.language),
            source=source,
            of_plan=True,
            created_at=now,
            **wanted.columns(),
        )
        for order in missing
    ]
    Schedule.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def plan_schedule_id(order_id: UUID, source: BackupSource) -> UUID:
    """The id of a plan's schedule. It is the same when an order comes back to such a plan, with its earlier backups."""
    return uuid5(order_id, f"schedule of the plan: {source.value}")


def _wanted(plan: Plan, *, now: datetime) -> Wanted | None:
    if not plan.has_backups or not plan.schedule_cron:
        return None
    cron, zone, next_due_at, error_code = plan.schedule_cron, plan.schedule_time_zone, None, ""
    try:
        parsed = cron_parse(cron)
        cron = str(parsed)
        next_due_at = occurrence_next(parsed, zone=zone_of(zone), after=now)
    except ValidationError as error:
        error_code = error.code
    return Wanted(
        cron=cron,
        time_zone=zone,
        retention=plan.schedule_retention,
        next_due_at=next_due_at,
        error_code=error_code,
    )


def _name(language: str) -> str:
    with translation.override(language or translation.get_language()):
        return _("Automatic backup")
