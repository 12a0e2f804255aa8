"""The state of an order as one sentence with its reason, in the language and the time zone of the reader."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext, ngettext, pgettext_lazy, to_locale
from django.utils.translation import gettext_lazy as _

from common.errors import error_title
from common.names import name_isolated
from common.sizes import number_text
from common.templatetags.savepoint import relative_text
from schedules.protection.state import Day, DayState, Protection, Reason, State

DAYS_NAMED = 3
WEEK = timedelta(days=6)

LOOKS: Mapping[State, tuple[str, str]] = {
    State.PROTECTED: ("ok", "shield"),
    State.AT_RISK: ("warn", "warning"),
    State.UNPROTECTED: ("bad", "warning"),
}
"""Tone and icon of each state: never colour alone."""

SENTENCES: Mapping[Reason, str | Promise] = {
    Reason.NOT_IN_PLAN: _("Not protected: the plan has no backups."),
    Reason.NONE_YET: _("Not protected yet: there is no backup."),
    Reason.NO_GOOD: _("Not protected: there is no good backup."),
    Reason.COLLAPSED: _("At risk: the server had lost most of its files when it was last backed up."),
    Reason.DAMAGED: _("At risk: the newest backup is damaged. The last good one was made %(ago)s."),
    Reason.SUSPENDED: _("At risk: the order is suspended, and no new backups are made."),
    Reason.NO_LONGER_IN_PLAN: _("At risk: the plan has no backups any more. The last good one was made %(ago)s."),
    Reason.OLD: _("At risk: the last good backup is old, %(ago)s."),
}
WARNED = _("The newest backup has warnings.")
PAUSED = _("All schedules are paused.")
IDLE = _("Nothing is being worked on right now.")

DAY_WORDS: Mapping[DayState, tuple[str | Promise, str, str]] = {
    DayState.OK: (pgettext_lazy("backups of a day", "Backed up"), "ok", "check"),
    DayState.WARNINGS: (pgettext_lazy("backups of a day", "Backed up, with warnings"), "warn", "warning"),
    DayState.FAILED: (pgettext_lazy("backups of a day", "Failed"), "bad", "cross"),
    DayState.RUNNING: (pgettext_lazy("backups of a day", "Running"), "busy", "clock"),
    DayState.OVERDUE: (pgettext_lazy("backups of a day", "Overdue: a backup was due and is missing"), "bad", "clock"),
    DayState.QUIET: (pgettext_lazy("backups of a day", "None was due"), "plain", "dot"),
}
"""Words, tone and icon of each state of a day."""


def sentence(protection: Protection) -> str:
    """The whole state with its reason, in one sentence, and one more for each thing that the reader should know."""
    shown = protection.state is not State.UNPROTECTED
    further = (
        (WARNED, shown and protection.warned),
        (PAUSED, shown and protection.paused),
        (IDLE, protection.idle and (protection.next_at is not None or protection.overdue_since is not None)),
    )
    return " ".join([_first(protection), *(str(text) for text, said in further if said)])


def _first(protection: Protection) -> str:
    match protection.reason:
        case Reason.GOOD:
            return _protected(protection)
        case Reason.FAILED:
            return _failed(protection)
        case Reason.BROKEN:
            return gettext("At risk: the schedule “%(name)s” cannot run: %(problem)s.") % {
                "name": name_isolated(protection.schedule),
                "problem": error_title(protection.code),
            }
        case Reason.OVERDUE:
            since = protection.overdue_since or timezone.now()
            return gettext("At risk: a backup was due %(when)s, and is missing.") % {"when": _when(since)}
    return str(SENTENCES[protection.reason]) % {"ago": _ago(protection.good_at)}


def day_text(day: Day) -> str:
    """One day of the strip in words: the date, its state, and the counts where there is more than one of a kind."""
    words = [formats.date_format(day.date, "DATE_FORMAT"), str(DAY_WORDS[day.state][0])]
    if day.good and (day.good > 1 or day.failed):
        words.append(ngettext("%(count)s good", "%(count)s good", day.good) % {"count": number_text(day.good)})
    if day.failed and (day.failed > 1 or day.good):
        words.append(ngettext("%(count)s failed", "%(count)s failed", day.failed) % {"count": number_text(day.failed)})
    return " · ".join(words)


def strip_text(days: tuple[Day, ...]) -> str:
    """The thirty days summed up, for those who do not see the strip."""
    counts: dict[DayState, int] = {}
    for day in days:
        counts[day.state] = counts.get(day.state, 0) + 1
    parts = [
        gettext("%(state)s: %(count)s") % {"state": DAY_WORDS[state][0], "count": number_text(counts[state])}
        for state in DayState
        if counts.get(state)
    ]
    return gettext("The last %(count)s days") % {"count": number_text(len(days))} + ": " + " · ".join(parts)


def _protected(protection: Protection) -> str:
    values = {"ago": _ago(protection.good_at), "proof": _ago(protection.proven_at), "next": _when(protection.next_at)}
    if protection.proven_at is None:
        if protection.next_at is None:
            return gettext("Protected: backed up %(ago)s.") % values
        return gettext("Protected: backed up %(ago)s; next %(next)s.") % values
    if protection.tested:
        if protection.next_at is None:
            return gettext("Protected: backed up %(ago)s, restored in a test %(proof)s.") % values
        return gettext("Protected: backed up %(ago)s, restored in a test %(proof)s; next %(next)s.") % values
    if protection.next_at is None:
        return gettext("Protected: backed up %(ago)s, verified %(proof)s.") % values
    return gettext("Protected: backed up %(ago)s, verified %(proof)s; next %(next)s.") % values


def _failed(protection: Protection) -> str:
    problem, days = error_title(protection.code), protection.failed_days
    if len(days) > DAYS_NAMED:
        text = ngettext(
            "At risk: the backups of the last %(count)s day failed: %(problem)s.",
            "At risk: the backups of the last %(count)s days failed: %(problem)s.",
            len(days),
        )
        return text % {"count": number_text(len(days)), "problem": problem}
    text = ngettext(
        "At risk: the backup of %(days)s failed: %(problem)s.",
        "At risk: the backups of %(days)s failed: %(problem)s.",
        len(days),
    )
    return text % {"days": str(format_list([_day_name(day) for day in days], locale=_locale())), "problem": problem}


def _day_name(day: date) -> str:
    """A day of the last week by its name, an earlier one by its date."""
    near = abs(timezone.localdate() - day) <= WEEK
    return str(format_date(day, "EEEE" if near else "d MMMM", locale=_locale()))


def _ago(at: datetime | None) -> str:
    return relative_text(at - timezone.now()) if at else ""


def _when(at: datetime | None) -> str:
    """A moment today by its time, another one by its day and time."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    time = f"{local:%H:%M}"
    away = local.date() - timezone.localdate()
    if not away:
        return gettext("at %(time)s") % {"time": time}
    if abs(away) <= WEEK:
        return gettext("on %(day)s at %(time)s") % {"day": _day_name(local.date()), "time": time}
    return gettext("on %(day)s at %(time)s") % {"day": formats.date_format(local, "DATE_FORMAT"), "time": time}


def _locale() -> Locale:
    return Locale.parse(to_locale(get_language() or "en"))
