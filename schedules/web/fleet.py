"""The protection of all orders, for staff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from orders.models import Plan
from schedules.protection.fleet import ABSENT, fleet_counts, fleet_orders
from schedules.protection.state import State
from schedules.protection.words import LOOKS
from schedules.web.protection import protection_rows

PAGE_SIZE = 25
PLAN_DIGITS = 18
LABELS: dict[str, str | Promise] = {
    ABSENT: pgettext_lazy("orders of the fleet", "Without a backup for longer than promised"),
    State.UNPROTECTED: pgettext_lazy("orders of the fleet", "Not protected"),
    State.AT_RISK: pgettext_lazy("orders of the fleet", "At risk"),
    State.PROTECTED: pgettext_lazy("orders of the fleet", "Protected"),
}
SORTS: dict[str, tuple[str | Promise, str, bool]] = {
    "oldest": (pgettext_lazy("order of a list", "Longest without a good backup first"), "good_at", True),
    "newest": (pgettext_lazy("order of a list", "Newest orders first"), "created_at", False),
}
"""The orders of the list: label, column, and whether the oldest come first. The first one is the default."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The part of the fleet that is asked for. A value that there is not counts as none."""

    state: str
    words: str = ""
    plan: int | None = None
    sort: str = next(iter(SORTS))

    @classmethod
    def read(cls, request: HttpRequest, counts: Mapping[str, int]) -> Wanted:
        """From the query; without a state, the worst that any order has."""
        state, sort, plan = (request.GET.get(name, "") for name in ("state", "sort", "plan"))
        return cls(
            state=state if state in LABELS else next((name for name in LABELS if counts[name]), State.PROTECTED),
            # PostgreSQL takes no NUL, and no name has one.
            words=request.GET.get("q", "").replace("\0", "").strip(),
            plan=int(plan) if plan.isdecimal() and len(plan) <= PLAN_DIGITS else None,
            sort=sort if sort in SORTS else next(iter(SORTS)),
        )

    def address(self, here: str, *, cursor: str | None = None) -> str:
        """The address of this part of the fleet, or of another page of it."""
        given = {"state": self.state, "q": self.words, "plan": self.plan or "", "sort": self.sort, CURSOR: cursor or ""}
        return f"{here}?{urlencode({name: value for name, value in given.items() if value})}"


class FleetView(PageView):
    """Counts of all orders by their protection, and the orders of one state."""

    http_method_names = ["get", "head"]

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let staff in who may see every order; for all others there is no such page."""
        if not self.user.has_perm("orders.view_all_orders"):
            raise NotFound
        return super().answer(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Show the counts, and the orders of the state that `state` names; the first are those without backups.

        `q`, `plan` and `sort` choose among them. Raises ValidationError for a cursor of another list.
        """
        counts = fleet_counts()
        wanted = Wanted.read(request, counts)
        orders = fleet_orders(user=self.user, state=wanted.state, words=wanted.words, plan=wanted.plan)
        by, oldest_first = SORTS[wanted.sort][1:]
        cursor = request.GET.get(CURSOR) or None
        page = page_read(orders, cursor=cursor, size=PAGE_SIZE, by=by, oldest_first=oldest_first)
        cells = protection_rows(request, page.rows)
        here = reverse("page-fleet")
        context = {
            "groups": [_group(name, counts[name], wanted=wanted, here=here) for name in LABELS],
            "rows": [(order, cells[order.id]) for order in page.rows],
            "older": wanted.address(here, cursor=page.older) if page.older else "",
            "newer": wanted.address(here, cursor=page.newer) if page.newer else "",
            "wanted": wanted,
            "plans": Plan.objects.order_by("name"),
            "sorts": [(name, sort[0]) for name, sort in SORTS.items()],
            "here": here,
            "problem": workers_problem(),
        }
        return render(request, "schedules/fleet.html", context)


def _group(name: str, count: int, *, wanted: Wanted, here: str) -> Group:
    tone, icon = ("bad", "clock") if name == ABSENT else LOOKS[State(name)]
    chosen = name == wanted.state
    address = replace(wanted, state=name).address(here)
    return Group(str(LABELS[name]), count, tone if count else "plain", icon, address, chosen)
