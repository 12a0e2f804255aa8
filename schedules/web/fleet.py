"""The protection of all orders, for staff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.web.pages import PageView
from common.errors import NotFound
from common.paging import CURSOR, page_read
from operations.selectors import workers_problem
from schedules.protection.fleet import ABSENT, fleet_counts, fleet_orders
from schedules.protection.state import State
from schedules.protection.words import LOOKS
from schedules.web.protection import protection_rows

PAGE_SIZE = 25
LABELS: dict[str, str | Promise] = {
    ABSENT: pgettext_lazy("orders of the fleet", "Without a backup for longer than promised"),
    State.UNPROTECTED: pgettext_lazy("orders of the fleet", "Not protected"),
    State.AT_RISK: pgettext_lazy("orders of the fleet", "At risk"),
    State.PROTECTED: pgettext_lazy("orders of the fleet", "Protected"),
}
TITLE = _("Fleet")


@dataclass(frozen=True, slots=True)
class Group:
    """The orders of one state, with the way to their list."""

    label: str
    count: int
    tone: str
    icon: str
    address: str
    chosen: bool


class FleetView(PageView):
    """Counts of all orders by their protection, and the orders of one state."""

    http_method_names = ["get", "head"]

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let staff in who may see every order; for all others there is no such page."""
        if not self.user.has_perm("orders.view_all_orders"):
            raise NotFound
        return super().answer(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Show the counts, and the orders of the state that `state` names; the first are those without backups."""
        counts = fleet_counts()
        asked = request.GET.get("state", "")
        state = asked if asked in LABELS else next((name for name in LABELS if counts[name]), State.PROTECTED)
        page = page_read(fleet_orders(state), cursor=request.GET.get(CURSOR) or None, size=PAGE_SIZE)
        cells = protection_rows(request, page.rows)
        here = reverse("page-fleet")
        context = {
            "groups": [_group(name, counts[name], here=here, chosen=name == state) for name in LABELS],
            "rows": [(order, cells[order.id]) for order in page.rows],
            "page": page,
            "state": state,
            "here": here,
            "problem": workers_problem(),
        }
        return render(request, "schedules/fleet.html", context)


def _group(name: str, count: int, *, here: str, chosen: bool) -> Group:
    tone, icon = ("bad", "clock") if name == ABSENT else LOOKS[State(name)]
    address = f"{here}?{urlencode({'state': name})}"
    return Group(str(LABELS[name]), count, tone if count else "plain", icon, address, chosen)
