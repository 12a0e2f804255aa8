"""Schedules as sentences in the reader's language: common forms in words, any other as its expression."""

from __future__ import annotations

from datetime import time

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.errors import ValidationError
from common.names import name_isolated
from schedules.cron import Cron, cron_parse
from schedules.errors import ScheduleBroken
from schedules.models import Schedule
from schedules.occurrences import zone_of

EVERY_WEEKDAY = "1-5"
LAST_DAY = "L"
TIMES_MAX = 3
"""Above this number of times a day a sentence is no clearer than the expression."""


def schedule_sentence(schedule: Schedule) -> str:
    """When a schedule runs, or why it does not."""
    try:
        cron, zone = cron_parse(schedule.cron), zone_of(schedule.time_zone)
    except ValidationError:
        return str(ScheduleBroken.message)
    if schedule.error_code:
        return str(ScheduleBroken.message)
    sentence = _("%(rule)s, time zone %(zone)s") % {"rule": cron_sentence(cron), "zone": zone.key}
    return _("Paused: %(sentence)s") % {"sentence": sentence} if schedule.paused else sentence


def cron_sentence(cron: Cron) -> str:
    """When an expression matches."""
    return _often(cron) or _at_times(cron) or _("By the rule %(cron)s") % {"cron": name_isolated(str(cron))}


def _often(cron: Cron) -> str:
    """Every so many seconds, minutes or hours, on all days."""
    second, minute, hour, *days = cron.parts
    if days != ["*", "*", "*", "*"]:
        return ""
    if (minute, hour) == ("*", "*") and (count := _step(second, of=60)):
        return ngettext("Every second", "Every %(count)s seconds", count) % {"count": count}
    if second == "0" and hour == "*" and (count := _step(minute, of=60)):
        return ngettext("Every minute", "Every %(count)s minutes", count) % {"count": count}
    if second == "0" and minute.isdigit() and (count := _step(hour, of=24)):
        if count == 1:
            return _("Every hour at minute %(minute)s") % {"minute": minute}
        text = ngettext(
            "Every %(count)s hour at minute %(minute)s", "Every %(count)s hours at minute %(minute)s", count
        )
        return text % {"count": count, "minute": minute}
    return ""


def _at_times(cron: Cron) -> str:
    """At a few times on certain days."""
    second, minute, hour, day, month, weekday, year = cron.parts
    hours = hour.split(",")
    if second != "0" or not minute.isdigit() or not all(map(str.isdigit, hours)) or len(hours) > TIMES_MAX:
        return ""
    times = _listed([_clock(int(each), int(minute)) for each in hours])
    if year != "*":
        return ""
    return _on_days(day, month, weekday, times)


def _on_days(day: str, month: str, weekday: str, times: str) -> str:
    if month != "*":
        return _on_a_date(day, month, weekday, times)
    if weekday == "*":
        return _on_days_of_months(day, times)
    if day != "*":
        return ""
    if weekday == EVERY_WEEKDAY:
        return _("From Monday to Friday at %(times)s") % {"times": times}
    numbers = weekday.split(",")
    if not all(map(str.isdigit, numbers)):
        return ""
    # Django's Monday is 0, cron's Sunday.
    names = [str(WEEKDAYS[(int(number) - 1) % 7]) for number in numbers]
    return _("Every week on %(days)s at %(times)s") % {"days": _listed(names), "times": times}


def _on_days_of_months(day: str, times: str) -> str:
    if day == "*":
        return _("Every day at %(times)s") % {"times": times}
    if day == LAST_DAY:
        return _("Every month on its last day at %(times)s") % {"times": times}
    return _("Every month on day %(day)s at %(times)s") % {"day": day, "times": times} if day.isdigit() else ""


def _on_a_date(day: str, month: str, weekday: str, times: str) -> str:
    if weekday != "*" or not day.isdigit() or not month.isdigit():
        return ""
    values = {"month": MONTHS[int(month)], "day": day, "times": times}
    return _("Every year in %(month)s on day %(day)s at %(times)s") % values


def _step(part: str, *, of: int) -> int:
    """The even distance between the values of a field; 0 when it is uneven."""
    if part == "*":
        return 1
    step = int(part[2:]) if part.startswith("*/") else 0
    return step if step and of % step == 0 else 0


def _clock(hour: int, minute: int) -> str:
    return time_format(time(hour, minute))


def _listed(items: list[str]) -> str:
    if len(items) == 1:
        return items[0]
    return _("%(items)s and %(last)s") % {"items": ", ".join(items[:-1]), "last": items[-1]}
