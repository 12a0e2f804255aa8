"""The schedules of an order as cards: when each runs, what came of the last run, what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from accounts.models import User
from accounts.preferences import time_zone_find
from backups.rules import order_allows_backups, refusal
from backups.web.backups import order_primary
from backups.web.order import OrderPageView
from backups.web.panels import Tab
from common.errors import error_title
from common.sizes import number_text
from operations.selectors import workers_problem
from orders.models import BackupFormat, Order
from orders.patterns import patterns_of
from orders.retention import RULES
from orders.rights import OrderRight, order_rights
from orders.selectors import PlanPromise, order_promise
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.rules import change_require, delete_require
from schedules.selectors import last_runs, next_runs, order_schedules
from schedules.sentences import schedule_sentence
from schedules.standing import schedule_policy

TABS = (Tab(name="schedules", label=pgettext_lazy("page of an order", "Schedules"), address="page-schedules"),)

RUN_LOOKS: Mapping[RunState, tuple[str, str]] = {
    RunState.DUE: ("plain", "clock"),
    RunState.RUNNING: ("busy", "clock"),
    RunState.SUCCEEDED: ("ok", "check"),
    RunState.FAILED: ("bad", "cross"),
    RunState.UNCHANGED: ("ok", "check"),
    RunState.SKIPPED: ("plain", "dot"),
}
"""Tone and icon of each state of a run: never colour alone."""

KEEP_WORDS: Mapping[str, str | Promise] = {
    "last": gettext_lazy("newest: %(count)s"),
    "hourly": gettext_lazy("hourly: %(count)s"),
    "daily": gettext_lazy("daily: %(count)s"),
    "weekly": gettext_lazy("weekly: %(count)s"),
    "monthly": gettext_lazy("monthly: %(count)s"),
    "yearly": gettext_lazy("yearly: %(count)s"),
    "within_days": gettext_lazy("all of the last days: %(count)s"),
}


@dataclass(frozen=True, slots=True)
class ShownRun:
    """One run that began or ended. reason: why it failed or was skipped."""

    label: str
    tone: str
    icon: str
    at: datetime
    reason: str
    backup_id: UUID | None


@dataclass(frozen=True, slots=True)
class NextRun:
    """A time to come, by the clock of the schedule."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One schedule. keeps: the rules of its retention in words, empty for none; keeps_of_plan: whether they are the
    plan's.
    """

    id: UUID
    name: str
    sentence: str
    zone: str
    server: str
    format: str
    tags: tuple[str, ...]
    patterns: int
    paused: bool
    broken: bool
    of_plan: bool
    only_if_changed: bool
    keeps: str
    keeps_of_plan: bool
    next_runs: tuple[NextRun, ...]
    last: ShownRun | None


@dataclass(frozen=True, slots=True)
class Allowed:
    """The actions that a caller may take on the schedules of an order, read once for all cards.

    run: of the plan's schedule; run_own: of the others. refused: why none can be made or changed, empty when that is
    possible or the caller lacks the right anyway.
    """

    right: bool
    create: bool
    change: bool
    delete: bool
    run: bool
    run_own: bool
    refused: str


def allowed_of(user: User, order: Order) -> Allowed:
    """The actions of a caller who was found to see the order."""
    right = OrderRight.SCHEDULES in order_rights(user, order)
    if not right:
        return Allowed(right=False, create=False, change=False, delete=False, run=False, run_own=False, refused="")
    change = refusal(lambda: change_require(user=user, order=order))
    server = refusal(lambda: order_primary(order))
    error = change or server
    run = server is None and refusal(lambda: order_allows_backups(order)) is None
    return Allowed(
        right=True,
        create=error is None,
        change=change is None,
        delete=refusal(lambda: delete_require(user=user, order=order, schedule=None)) is None,
        run=run,
        run_own=run and order.plan.customer_schedules,
        refused=error.detail if error else "",
    )


class SchedulesView(OrderPageView):
    """The schedules of an order."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Show a card for each."""
        schedules = list(order_schedules(order))
        last = last_runs(schedules)
        now, promise = timezone.now(), order_promise(order)
        context = {
            **self.page_context(),
            "cards": [_card(schedule, last.get(schedule.id), promise=promise, now=now) for schedule in schedules],
            "allowed": allowed_of(self.user, order),
            "problem": workers_problem(),
        }
        return render(request, "schedules/schedules.html", context)


def _card(schedule: Schedule, last: ScheduleRun | None, *, promise: PlanPromise, now: datetime) -> Card:
    coming = [] if schedule.paused or schedule.error_code else next_runs(schedule, after=now)
    return Card(
        id=schedule.id,
        name=schedule.name,
        sentence=schedule_sentence(schedule),
        zone=schedule.time_zone,
        server=schedule.provision.name if schedule.provision else "",
        format=str(BackupFormat(schedule.format).label) if schedule.format else "",
        tags=tuple(schedule.tags),
        patterns=len(patterns_of(schedule.exclude)),
        paused=schedule.paused,
        broken=bool(schedule.error_code),
        of_plan=schedule.of_plan,
        only_if_changed=schedule.only_if_changed,
        keeps=keeps_text(schedule_policy(schedule, promise).rules),
        keeps_of_plan=schedule.of_plan or not schedule.retention,
        next_runs=runs_by_clock(coming, zone=schedule.time_zone),
        last=run_shown(last) if last else None,
    )


def runs_by_clock(times: Iterable[datetime], *, zone: str) -> tuple[NextRun, ...]:
    """Times to come by the clock of a schedule's zone."""
    found = time_zone_find(zone) or timezone.get_current_timezone()
    return tuple(NextRun(at, clock_text(at.astimezone(found))) for at in times)


def clock_text(local: datetime) -> str:
    """A day and its time: “Tuesday, Dec. 1, 2026, 04:00”; the seconds where a rule has some."""
    values = {
        "weekday": formats.date_format(local, "l"),
        "date": formats.date_format(local, "DATE_FORMAT"),
        "time": f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}",
    }
    return _("%(weekday)s, %(date)s, %(time)s") % values


def run_shown(run: ScheduleRun) -> ShownRun:
    """One run in words."""
    state = RunState(run.state)
    tone, icon = RUN_LOOKS[state]
    reason = error_title(run.error_code) if run.error_code else ""
    return ShownRun(str(state.label), tone, icon, run.finished_at or run.due_at, reason, run.backup_id)


def keeps_text(retention: Mapping[str, int]) -> str:
    """The rules of a retention in words; empty for none."""
    parts = [str(KEEP_WORDS[rule]) % {"count": number_text(retention[rule])} for rule in RULES if retention.get(rule)]
    return pgettext("rules of a retention", ", ").join(parts)
