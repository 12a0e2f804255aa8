"""The calendar of an order: past runs by their results, and the times to come; a day, a week or a month."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Min
from django.db.models.functions import TruncDay, TruncHour
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from backups.web.order import OrderPageView
from common.errors import ValidationError
from common.sizes import number_text
from orders.models import Order
from schedules.cron import cron_parse
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.occurrences import occurrences_first, zone_of
from schedules.selectors import order_schedules
from schedules.web.cards import RUN_LOOKS

TIMES_SHOWN = 2
"""Of the times to come, so many of a schedule are shown in one cell; from one more on it only says that there are."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class View(StrEnum):
    """The length that is shown."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


VIEWS: dict[View, str | Promise] = {
    View.DAY: pgettext_lazy("view of a calendar", "Day"),
    View.WEEK: pgettext_lazy("view of a calendar", "Week"),
    View.MONTH: pgettext_lazy("view of a calendar", "Month"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Runs of one schedule in one cell that came to the same end, or its times to come."""

    schedule: str
    time: str
    label: str
    tone: str
    icon: str
    count: str = ""


@dataclass(slots=True)
class Cell:
    """A day, or in the view of a day an hour. outside: of another month."""

    begin: datetime
    title: str
    short: str
    today: bool = False
    outside: bool = False
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Choice:
    """A link to another view or time."""

    label: str
    address: str
    chosen: bool = False


class CalendarView(OrderPageView):
    """The calendar of the schedules of an order, in the zone of the reader."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Show the view `view` around the day `date`; by default this month."""
        asked = request.GET.get("view", "")
        view = View(asked) if asked in list(View) else View.MONTH
        day = _day_of(request.GET.get("date", ""))
        cells = list(_cells(view, day))
        _fill(cells, order=order, view=view)
        context = {
            **self.page_context(),
            "view": view.value,
            "title": _title(view, day, cells),
            "cells": cells,
            "weekdays": [cell.begin for cell in cells[:7]] if view is View.MONTH else [],
            "views": [Choice(str(VIEWS[name]), _address(order, name, day), name is view) for name in View],
            "before": _address(order, view, _step(view, day, -1)),
            "after": _address(order, view, _step(view, day, 1)),
            "today": _address(order, view, timezone.localdate()),
        }
        return render(request, "schedules/calendar.html", context)


def _day_of(text: str) -> date:
    """The day that a query names; today for none, and for one without a calendar of months around it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return timezone.localdate()
    return day if 1970 < day.year < 2100 else timezone.localdate()  # noqa: PLR2004  # years of cron expressions


def _step(view: View, day: date, by: int) -> date:
    if view is View.MONTH:
        first = day.replace(day=1) + by * timedelta(days=31 if by > 0 else 1)
        return first.replace(day=1)
    return day + by * (DAY if view is View.DAY else 7 * DAY)


def _cells(view: View, day: date) -> Iterator[Cell]:
    """The cells of a view, each with where it begins."""
    zone, today = timezone.get_current_timezone(), timezone.localdate()
    if view is View.DAY:
        for hour in range(24):
            yield Cell(datetime.combine(day, time(hour), zone), f"{hour:02}:00", f"{hour:02}:00")
        return
    begin, end = _first_of_week(day), _first_of_week(day) + 7 * DAY
    if view is View.MONTH:
        begin = _first_of_week(day.replace(day=1))
        last = day.replace(day=calendar.monthrange(day.year, day.month)[1])
        end = _first_of_week(last) + 7 * DAY
    for number in range((end - begin).days):
        shown = begin + number * DAY
        yield Cell(
            datetime.combine(shown, time(), zone),
            f"{formats.date_format(shown, 'l')}, {formats.date_format(shown, 'DATE_FORMAT')}",
            str(shown.day),
            today=shown == today,
            outside=view is View.MONTH and shown.month != day.month,
        )


def _first_of_week(day: date) -> date:
    first = int(formats.get_format("FIRST_DAY_OF_WEEK"))  # 0 is Sunday
    return day - timedelta(days=(day.isoweekday() - first) % 7)


def _fill(cells: Sequence[Cell], *, order: Order, view: View) -> None:
    """Put the runs of the past and the times to come into their cells."""
    length = HOUR if view is View.DAY else DAY
    zone = timezone.get_current_timezone()
    begin = cells[0].begin
    end = (cells[-1].begin.replace(tzinfo=None) + length).replace(tzinfo=zone)
    schedules = {schedule.id: schedule for schedule in order_schedules(order)}
    for moment, entries in _past(schedules, begin=begin, end=end, length=length).items():
        next(cell for cell in cells if cell.begin == moment).entries.extend(entries)
    now = timezone.now()
    ends = [*(cell.begin for cell in cells[1:]), end]
    for cell, cell_end in zip(cells, ends, strict=True):
        if cell_end > now:
            for schedule in schedules.values():
                cell.entries.extend(_coming(schedule, after=max(cell.begin - timedelta(seconds=1), now), end=cell_end))


def _past(
    schedules: dict[UUID, Schedule], *, begin: datetime, end: datetime, length: timedelta
) -> dict[datetime, list[Entry]]:
    """The runs that began or ended, by the beginning of their cell; one query however many there are."""
    truncate = TruncHour if length == HOUR else TruncDay
    zone = timezone.get_current_timezone()
    rows = (
        ScheduleRun.objects.filter(schedule__in=schedules, due_at__gte=begin, due_at__lt=end)
        .order_by()
        .values("schedule", "state", cell=truncate("due_at", tzinfo=zone))
        .annotate(count=Count("id"), first=Min("due_at"))
    )
    found: dict[datetime, list[Entry]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["first"]):
        state = RunState(row["state"])
        tone, icon = RUN_LOOKS[state]
        at = f"{row['first'].astimezone(zone):%H:%M}"
        count = number_text(row["count"]) if row["count"] > 1 else ""
        found[row["cell"]].append(Entry(schedules[row["schedule"]].name, at, str(state.label), tone, icon, count))
    return found


def _coming(schedule: Schedule, *, after: datetime, end: datetime) -> Iterator[Entry]:
    """The times to come of one schedule in one cell."""
    if schedule.paused or schedule.error_code:
        return
    try:
        cron, zone = cron_parse(schedule.cron), zone_of(schedule.time_zone)
    except ValidationError:
        return
    times = [at for at in occurrences_first(cron, zone=zone, after=after, count=TIMES_SHOWN + 1) if at < end]
    label = _("Planned")
    reader: tzinfo = timezone.get_current_timezone()
    if len(times) > TIMES_SHOWN:
        often = _("from %(time)s on, several times") % {"time": f"{times[0].astimezone(reader):%H:%M}"}
        yield Entry(schedule.name, often, label, "plain", "calendar")
        return
    for at in times:
        yield Entry(schedule.name, f"{at.astimezone(reader):%H:%M}", label, "plain", "calendar")


def _title(view: View, day: date, cells: Sequence[Cell]) -> str:
    if view is View.MONTH:
        return formats.date_format(day, "YEAR_MONTH_FORMAT")
    if view is View.DAY:
        return f"{formats.date_format(day, 'l')}, {formats.date_format(day, 'DATE_FORMAT')}"
    first, last = (formats.date_format(cell.begin.date(), "DATE_FORMAT") for cell in (cells[0], cells[-1]))
    return _("%(first)s to %(last)s") % {"first": first, "last": last}


def _address(order: Order, view: View, day: date) -> str:
    here = reverse("page-schedule-calendar", kwargs={"order": order.id})
    return f"{here}?{urlencode({'view': view.value, 'date': day.isoformat()})}"
