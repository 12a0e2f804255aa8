"""What becomes of the backups of an order, in words: on each of them, and before a reduction of the plan."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from backups.selectors import backup_names
from backups.web.panels import Panel, Place, Shown
from backups.web.rows import Badge
from orders.models import Order, PlanReduction
from orders.selectors import reduction_pending
from schedules.models import Schedule
from schedules.retention import Reason
from schedules.standing import Standing, reduction_removes, retention_reasons
from schedules.web.reasons import reasons_text

NAMED = 10
"""So many backups that a reduction removes are named; the others are counted."""

PLAIN = frozenset({Reason.LOCKED, Reason.SAFETY, Reason.BUSY, Reason.AHEAD, Reason.NO_RULE})
"""Reasons that the row of a backup shows anyway."""


def marks_of(order: Order) -> dict[UUID, tuple[Badge, ...]]:
    """A mark for each backup of an order that retention decides about."""
    pending = PlanReduction.objects.filter(order=OuterRef("pk"), ended_at__isnull=True)
    decides = Exists(Schedule.objects.filter(order=OuterRef("pk"))) | Exists(pending)
    if not Order.objects.filter(decides, id=order.id).exists():
        return {}
    standings = retention_reasons(order=order)
    return {backup: (mark,) for backup, standing in standings.items() if (mark := _mark(standing)) is not None}


def _mark(standing: Standing) -> Badge | None:
    said = reasons_text(standing.reasons)
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
