"""The calendar of an order: past runs by their results, and the times to come; a day, a week or a month."""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
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
from operations.selectors import workers_problem
from orders.models import Order
from schedules.cron import cron_parse
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.occurrences import occurrence_next, zone_of
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
    """Runs of one schedule in one cell that came to the same end, or its times to come. at: the first."""

    at: datetime
    schedule: str
    time: str
    label: str
    tone: str
    icon: str
    count: str = ""


@dataclass(slots=True)
class Cell:
    """A day, or in the view of a day an hour. outside: of another month. address: of a day, its own view."""

    begin: datetime
    title: str
    short: str
    address: str = ""
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
        cells = list(_cells(order, view, day))
        _fill(cells, order=order, view=view)
        context = {
            **self.page_context(),
            "view": view.value,
            "title": _title(view, day, cells),
            "cells": cells,
            "nothing": not any(cell.entries for cell in cells),
            "problem": workers_problem(),
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


def _cells(order: Order, view: View, day: date) -> Iterator[Cell]:
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
            address=_address(order, View.DAY, shown),
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
    by_begin = {_clock(cell.begin): cell for cell in cells}
    for moment, entries in _past(schedules, begin=begin, end=end, length=length).items():
        by_begin[_clock(moment)].entries.extend(entries)
    begins = [cell.begin.astimezone(UTC) for cell in cells]
    for schedule in schedules.values():
        for place, times in _coming(schedule, begins=begins, end=end).items():
            cells[place].entries.extend(_planned(schedule, times))
    for cell in cells:
        cell.entries.sort(key=lambda entry: entry.at)


def _clock(moment: datetime) -> datetime:
    """The local time of a moment, by which cells are found: also the one that a zone skips or has twice."""
    return moment.replace(tzinfo=None, fold=0)


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
    for row in rows:
        state = RunState(row["state"])
        tone, icon = RUN_LOOKS[state]
        at = f"{row['first'].astimezone(zone):%H:%M}"
        count = number_text(row["count"]) if row["count"] > 1 else ""
        name = schedules[row["schedule"]].name
        found[row["cell"]].append(Entry(row["first"], name, at, str(state.label), tone, icon, count))
    return found


def _coming(schedule: Schedule, *, begins: Sequence[datetime], end: datetime) -> dict[int, list[datetime]]:
    """The times to come of a schedule by the place of their cell, of each cell one more than is shown at most."""
    found: dict[int, list[datetime]] = {}
    if schedule.paused or schedule.error_code:
        return found
    try:
        cron, zone = cron_parse(schedule.cron), zone_of(schedule.time_zone)
    except ValidationError:
        return found
    after = max(timezone.now(), begins[0] - timedelta(seconds=1))
    while (at := occurrence_next(cron, zone=zone, after=after)) is not None and at < end:
        place = bisect_right(begins, at) - 1
        times = found.setdefault(place, [])
        times.append(at)
        # The rest of a full cell is skipped, so that a schedule of every minute costs no more than any other.
        full = len(times) > TIMES_SHOWN
        after = max(at, (begins[place + 1] if place + 1 < len(begins) else end) - timedelta(seconds=1)) if full else at
    return found


def _planned(schedule: Schedule, times: Sequence[datetime]) -> Iterator[Entry]:
    """The entries of one schedule in one cell."""
    reader: tzinfo = timezone.get_current_timezone()
    label = _("Planned")
    often = len(times) > TIMES_SHOWN
    for at in times[:1] if often else times:
        clock = f"{at.astimezone(reader):%H:%M}"
        said = _("from %(time)s, several") % {"time": clock} if often else clock
        yield Entry(at, schedule.name, said, label, "plain", "calendar")


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
