"""The rules for changes to schedules, and for the values of their fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from backups.services.formats import format_choose
from common.errors import ValidationError
from common.names import NAME_LENGTH_MAX
from orders.errors import PlanHasNoBackups
from orders.models import BackupFormat, BackupSource, Order
from orders.patterns import patterns_of, patterns_validate
from orders.retention import RetentionPolicy
from orders.rights import OrderRight, order_change_require, right_require
from provisions.rules import patterns_require
from schedules.cron import Cron, cron_parse, cron_require
from schedules.errors import ScheduleOfPlan, SchedulesNotOffered
from schedules.models import Schedule
from schedules.occurrences import zone_of

NAME_PARTS = ("date", "time", "server", "schedule")
_PART = re.compile(r"\{([^{}]*)\}?|\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything about a schedule that its owner chooses; see `Schedule` for the meaning of each."""

    name: str
    cron: str
    time_zone: str = "UTC"
    source: str = BackupSource.FILES.value
    format: str = ""
    exclude: Sequence[str] = ()
    tags: Sequence[str] = ()
    retention: dict[str, int] = field(default_factory=dict)
    name_pattern: str = ""
    only_if_changed: bool = False
    paused: bool = False

    def columns(self) -> dict[str, Any]:
        """The values as the columns of a schedule."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"exclude": "\n".join(self.exclude), "tags": list(self.tags)}


def settings_of(schedule: Schedule) -> Settings:
    """The present settings of a schedule."""
    values = {item.name: getattr(schedule, item.name) for item in fields(Settings)}
    return Settings(**values | {"exclude": patterns_of(schedule.exclude), "tags": list(schedule.tags)})


def change_require(*, user: User, order: Order, schedule: Schedule | None = None) -> None:
    """Raise the first reason against a new schedule, or against a change of this one.

    In this order: PermissionDenied, OrderSuspended, ScheduleOfPlan, PlanHasNoBackups, SchedulesNotOffered.
    """
    delete_require(user=user, order=order, schedule=schedule)
    if not order.plan.has_backups:
        raise PlanHasNoBackups
    if not order.plan.customer_schedules:
        raise SchedulesNotOffered


def delete_require(*, user: User, order: Order, schedule: Schedule | None) -> None:
    """Raise the first reason against the deletion of a schedule: PermissionDenied, OrderSuspended, ScheduleOfPlan."""
    right_require(user, order, OrderRight.SCHEDULES)
    order_change_require(user, order)
    if schedule is not None and schedule.of_plan:
        raise ScheduleOfPlan


def run_require(*, order: Order, schedule: Schedule) -> None:
    """Raise SchedulesNotOffered when the plan of an order does not run this schedule: its own, or one of a customer."""
    if not (order.plan.schedule_cron if schedule.of_plan else order.plan.customer_schedules):
        raise SchedulesNotOffered


def settings_check(*, user: User, order: Order, settings: Settings, now: datetime) -> Settings:
    """The settings in their normal form. Raises ValidationError with every wrong field, and PatternsForbidden."""
    if settings.exclude:
        patterns_require(user=user, order=order)
    errors: dict[str, list[str]] = {}
    normal: dict[str, Any] = {item.name: getattr(settings, item.name) for item in fields(settings)}
    shortest = None if _is_staff(user) else timedelta(minutes=order.plan.shortest_interval_minutes)
    checks: dict[str, Callable[[], object]] = {
        "cron": lambda: str(_cron_checked(settings.cron, shortest=shortest, now=now)),
        "time_zone": lambda: zone_of(settings.time_zone).key,
        "source": lambda: _source_checked(order, settings.source),
        "format": lambda: _format_checked(order, settings.format),
        "exclude": lambda: _exclude_checked(settings.exclude),
        "retention": lambda: RetentionPolicy.from_json(settings.retention).rules,
        "name_pattern": lambda: _pattern_checked(settings.name_pattern),
    }
    for name, check in checks.items():
        try:
            normal[name] = check()
        except ValidationError as error:
            errors |= error.errors
    if errors:
        raise ValidationError(errors=errors)
    return Settings(**normal)


def backup_name(schedule: Schedule, *, server: str, at: datetime) -> str:
    """The name of a backup of this schedule, by its pattern and the clock of its zone."""
    local = at.astimezone(zone_of(schedule.time_zone))
    parts = {"date": f"{local:%Y-%m-%d}", "time": f"{local:%H:%M}", "server": server, "schedule": schedule.name}
    pattern = schedule.name_pattern or "{schedule} {date} {time}"
    name = _PART.sub(lambda found: parts.get(found[1] or "", found[0]), pattern)
    return name if len(name) <= NAME_LENGTH_MAX else f"{name[: NAME_LENGTH_MAX - 1]}…"


def _cron_checked(text: str, *, shortest: timedelta | None, now: datetime) -> Cron:
    cron = cron_parse(text)
    cron_require(cron, shortest=shortest, now=now)
    return cron


def _source_checked(order: Order, wanted: str) -> str:
    if order.plan.sources and wanted not in order.plan.sources:
        raise ValidationError(errors={"source": [_("Your plan does not back this up.")]})
    return wanted


def _format_checked(order: Order, wanted: str) -> str:
    if not wanted:
        return wanted
    return format_choose(order=order, wanted=BackupFormat(wanted)).value


def _exclude_checked(lines: Sequence[str]) -> Sequence[str]:
    patterns_validate(lines)
    return lines


def _pattern_checked(pattern: str) -> str:
    for found in _PART.finditer(pattern):
        if found[1] not in NAME_PARTS or not found[0].endswith("}"):
            known = ", ".join(f"{{{part}}}" for part in NAME_PARTS)
            reason = _("“%(part)s” stands for nothing here. A name may have: %(known)s.")
            raise ValidationError(errors={"name_pattern": [reason % {"part": found[0], "known": known}]})
    return pattern


def _is_staff(user: User) -> bool:
    return user.has_perm("orders.view_all_orders")
