"""What becomes of the backups of an order, in words: on each of them, and before a reduction of the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from backups.selectors import backup_names
from backups.web.panels import Panel, Place, Shown
from backups.web.rows import Badge
from orders.models import Order
from orders.selectors import reduction_pending
from schedules.models import Schedule
from schedules.retention import Reason
from schedules.standing import Standing, reduction_removes, retention_reasons

NAMED = 10
"""So many backups that a reduction removes are named; the others are counted."""

KEPT: Mapping[Reason, str | Promise] = {
    Reason.LAST: pgettext_lazy("reason why a backup is kept", "one of the newest"),
    Reason.HOURLY: pgettext_lazy("reason why a backup is kept", "the newest of its hour"),
    Reason.DAILY: pgettext_lazy("reason why a backup is kept", "the newest of its day"),
    Reason.WEEKLY: pgettext_lazy("reason why a backup is kept", "the newest of its week"),
    Reason.MONTHLY: pgettext_lazy("reason why a backup is kept", "the newest of its month"),
    Reason.YEARLY: pgettext_lazy("reason why a backup is kept", "the newest of its year"),
    Reason.WITHIN_DAYS: pgettext_lazy("reason why a backup is kept", "young enough"),
    Reason.LAST_GOOD: pgettext_lazy("reason why a backup is kept", "the last good one"),
    Reason.LAST_PROVEN: pgettext_lazy("reason why a backup is kept", "the last one that was read back"),
    Reason.AMONG_KEPT: pgettext_lazy("reason why a backup is kept", "not good, and newer than one that is kept"),
    Reason.LOCKED: pgettext_lazy("reason why a backup is kept", "locked"),
    Reason.SAFETY: pgettext_lazy("reason why a backup is kept", "a safety backup"),
    Reason.BUSY: pgettext_lazy("reason why a backup is kept", "in work"),
    Reason.NO_RULE: pgettext_lazy("reason why a backup is kept", "no rule removes it"),
}
GOES: Mapping[Reason, str | Promise] = {
    Reason.NO_LONGER_KEPT: pgettext_lazy("reason why a backup goes", "no rule keeps it"),
    Reason.OVER_LIMIT: pgettext_lazy("reason why a backup goes", "the plan keeps no more"),
}
PLAIN = frozenset({Reason.LOCKED, Reason.SAFETY, Reason.BUSY, Reason.NO_RULE})
"""Reasons that the row of a backup shows anyway."""


def reasons_said(reasons: Iterable[Reason]) -> str:
    """Why a backup stays or goes, in words."""
    return ", ".join(str(KEPT.get(reason) or GOES[reason]) for reason in reasons)


def marks_of(order: Order) -> dict[UUID, tuple[Badge, ...]]:
    """A mark for each backup of an order that retention decides about."""
    reduced = reduction_pending(order) is not None
    if not reduced and not Schedule.objects.filter(order=order).exists():
        return {}
    standings = retention_reasons(order=order)
    return {backup: (mark,) for backup, standing in standings.items() if (mark := _mark(standing)) is not None}


def _mark(standing: Standing) -> Badge | None:
    said = reasons_said(standing.reasons)
    if standing.goes_at is not None:
        return Badge("trash", _("Goes on %(day)s: %(reason)s") % {"day": _day(standing.goes_at), "reason": said})
    if standing.goes:
        return Badge("trash", _("Goes once the next backup was read back: %(reason)s") % {"reason": said})
    if PLAIN.issuperset(standing.reasons):
        return None
    return Badge("clock", _("Kept: %(reasons)s") % {"reasons": said})


def _reduced(_request: HttpRequest, order: Order) -> Shown | None:
    reduction = reduction_pending(order)
    if reduction is None:
        return None
    reduction.order = order
    removes = list(reduction_removes(reduction))
    names = backup_names(removes)
    shown = tuple(names[backup] for backup in removes if backup in names)
    context = {
        "day": _day(reduction.takes_effect_at),
        "names": shown[:NAMED],
        "more": len(shown[NAMED:]),
        "count": len(shown),
    }
    return Shown("schedules/reduced.html", context)


def _day(moment: datetime) -> str:
    return date_format(localtime(moment), "DATETIME_FORMAT")


PANELS = [Panel(name="reduction", place=Place.ABOVE, show=_reduced)]
