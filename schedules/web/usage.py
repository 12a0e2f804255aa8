"""The usage page of an order: what each backup and each schedule added, and when the limit will be reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from backups.forecast import added_by_schedule, forecast_of
from backups.models import Backup
from backups.selectors import backups_of_order
from backups.usage import USABLE, order_used
from backups.web.order import OrderPageView
from backups.web.panels import Tab
from common.clock import database_now
from common.names import name_isolated
from common.sizes import size_text
from orders.models import Order
from schedules.models import Schedule

BARS = 60
LISTED = 25
WIDTH, HEIGHT = 600, 120
WIDEST = 24.0
"""A bar of a few is as wide as one of many."""
TABS = (Tab(name="usage", label=pgettext_lazy("page of an order", "Usage"), address="page-order-usage"),)


@dataclass(frozen=True, slots=True)
class Bar:
    """The added bytes of one backup in the picture; x, y, width, height are attributes of an SVG rectangle."""

    title: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class ScheduleShare:
    """The backups of one schedule, with what they added."""

    name: str
    is_name: bool
    backups: int
    added_bytes: int | None


@dataclass(frozen=True, slots=True)
class AddedRow:
    """One backup with what it added."""

    id: UUID
    name: str
    created_at: datetime
    added_bytes: int | None


class OrderUsagePageView(OrderPageView):
    """The usage of an order."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:
        """Show numbers, the picture and the forecast."""
        backups = list(backups_of_order(order).filter(USABLE).order_by("-created_at", "-id")[:BARS])
        context = {
            **self.page_context(),
            "used": order_used(order),
            "forecast": forecast_of(order, database_now()),
            "bars": bars_of(list(reversed(backups))),
            "shares": _shares(order),
            "rows": [
                AddedRow(backup.id, backup.name, backup.created_at, backup.added_bytes) for backup in backups[:LISTED]
            ],
        }
        return render(request, "schedules/usage.html", context)


def bars_of(backups: Sequence[Backup]) -> list[Bar]:
    """The bars of backups from the oldest to the newest, as high as the most of them added."""
    most = max((backup.added_bytes or 0 for backup in backups), default=0)
    return list(_bars(backups, most)) if most else []


def _bars(backups: Sequence[Backup], most: int) -> Iterator[Bar]:
    step = min(WIDTH / len(backups), WIDEST)
    for number, backup in enumerate(backups):
        added = backup.added_bytes or 0
        # What added next to nothing can still be seen and pointed at.
        height = max(1.0, HEIGHT * added / most)
        yield Bar(
            title=_("%(name)s: %(size)s") % {"name": name_isolated(backup.name), "size": size_text(added)},
            x=f"{number * step:.2f}",
            y=f"{HEIGHT - height:.2f}",
            width=f"{step * 0.8:.2f}",
            height=f"{height:.2f}",
        )


def _shares(order: Order) -> list[ScheduleShare]:
    names = dict(Schedule.objects.filter(order=order).values_list("id", "name"))
    shares = []
    for added in added_by_schedule(order):
        name = names.get(added.schedule_id) if added.schedule_id else None
        if name is None and added.safety:
            said = _("Safety backups")
        elif name is None:
            said = _("A deleted schedule") if added.schedule_id else _("By hand")
        else:
            said = name
        shares.append(ScheduleShare(said, name is not None, added.backups, added.added_bytes))
    return shares
