"""The backups of an order, as one value for the polled part of the order page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from backups.rules import Rules, refusal
from backups.selectors import backups_of_order
from backups.usage import UsedBytes, usage_history
from backups.web.endings import WATCH
from backups.web.filters import Filter, PageFilter
from backups.web.hold import Hold, hold_of
from backups.web.panels import Place, Shown, panels_of, rows_marked
from backups.web.rows import BackupRow, row_of, why_not
from common.names import name_isolated
from common.paging import page_read
from operations.selectors import WorkersProblem, workers_problem
from orders.models import Order
from orders.rights import OrderRight
from provisions.errors import NotAPrimaryDeployment

PAGE_SIZE = 25

CHART_WIDTH, CHART_HEIGHT = 240, 48
CHART_STEPS = 60
CHART_TAIL = 12
"""How far the last step is drawn on, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class PlanUsage:
    """The limits of the plan and their use; `points` draw the stored bytes over time.

    limited_bytes: those that count towards `byte_limit`, which is None without such a limit.
    """

    counted: int
    limit: int
    logical_bytes: int
    stored_bytes: int
    limited_bytes: int
    byte_limit: int | None
    points: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The content of the order page. Equal values look the same, apart from relative times."""

    panels: Mapping[Place, tuple[Shown, ...]]
    usage: PlanUsage
    rows: tuple[BackupRow, ...]
    create_shown: bool
    create_refused: str
    may_read: bool
    problem: WorkersProblem | None
    hold: Hold | None
    live: tuple[UUID, ...]
    filters: tuple[Filter, ...]
    wanted: PageFilter
    tags: tuple[str, ...]
    may_change: bool
    address: str
    older: str
    newer: str

    @cached_property
    def version(self) -> str:
        """A digest of this value: a client that has it needs no update."""
        return blake2b(repr(self).encode(), digest_size=8).hexdigest()

    @property
    def active(self) -> bool:
        """Whether an operation is live, so that the page polls for its end."""
        return bool(self.live)

    @property
    def poll_address(self) -> str:
        """The polling address of the part, with the version that is shown."""
        return poll_address(self.address, version=self.version, live=self.live)

    @property
    def announcement(self) -> str:
        """The change in a sentence, for screen readers."""
        for row in self.rows:
            if row.progress is not None:
                return _announced(row)
        return _announced(self.rows[0]) if self.rows else ""


def overview_of(request: HttpRequest, *, user: User, order: Order, wanted: PageFilter, cursor: str | None) -> Overview:
    """The overview of an order that the caller was found to see. Raises ValidationError for a cursor not of ours."""
    rows = wanted.backups().of(backups_of_order(order))
    page = page_read(rows, cursor=cursor, size=PAGE_SIZE)
    if cursor and not page.rows:
        # The last one on it was deleted: an empty page would say that there are no backups at all.
        cursor, page = None, page_read(rows, cursor=None, size=PAGE_SIZE)
    rules = Rules(user=user, order=order, seen=[row.operation for row in page.rows if row.operation])
    known = {provision.id: provision for provision in rules.provisions}
    primary = next((provision for provision in rules.provisions if provision.is_primary), None)
    rows_shown = [row_of(row, rules=rules, provision=known.get(row.provision_id)) for row in page.rows]
    shown = rows_marked(order, rows_shown)
    refused = refusal(lambda: rules.create_require(primary)) if primary else NotAPrimaryDeployment()
    history = usage_history(order, timezone.now())
    table = reverse("page-order-backups", kwargs={"order": order.id})
    here = reverse("page-order", kwargs={"order": order.id})
    return Overview(
        panels=panels_of(request, order),
        usage=_usage(order, rules.used, history, counted=rules.counted(primary) if primary else 0),
        rows=shown,
        create_shown=OrderRight.CREATE in rules.rights,
        create_refused=why_not(refused, rules.active) if refused else "",
        may_read=rules.may_read,
        problem=workers_problem(),
        hold=hold_of(rules, shown={row.operation_id for row in shown}),
        live=live_of(rules, shown),
        filters=wanted.by_status(here),
        wanted=wanted,
        tags=wanted.tags(page.rows),
        may_change=refusal(rules.update_require) is None,
        address=wanted.address(table, cursor=cursor),
        older=wanted.address(here, cursor=page.older) if page.older else "",
        newer=wanted.address(here, cursor=page.newer) if page.newer else "",
    )


def live_of(rules: Rules, rows: Sequence[BackupRow]) -> tuple[UUID, ...]:
    """The live operations: those of the rows, and the one that excludes others."""
    live = {row.operation_id for row in rows if row.progress and row.operation_id}
    return tuple(sorted(live | ({rules.active.id} if rules.active else set())))


def poll_address(address: str, *, version: str, live: tuple[UUID, ...]) -> str:
    """The polling address of a part, with its version and the operations shown as live, so that their end is told."""
    query = urlencode([("version", version), *((WATCH, operation) for operation in live)])
    return f"{address}{'&' if '?' in address else '?'}{query}"


def _usage(order: Order, used: UsedBytes, history: list[tuple[datetime, int]], *, counted: int) -> PlanUsage:
    return PlanUsage(
        counted=counted,
        limit=order.plan.backup_limit,
        logical_bytes=used.logical,
        stored_bytes=used.stored,
        limited_bytes=used.counted(order.plan.byte_measure),
        byte_limit=order.plan.byte_limit,
        points=_points(history),
    )


def _points(history: list[tuple[datetime, int]]) -> str:
    """The stored bytes over time as the points of an SVG polyline, in not too many steps."""
    most = max((stored for _at, stored in history), default=0)
    if len(history) < 2 or not most:  # noqa: PLR2004  # one point is no line
        return ""
    begin, end = history[0][0], history[-1][0]
    span = (end - begin).total_seconds() or 1.0
    every = -(-len(history) // CHART_STEPS)
    points: list[tuple[float, float]] = []
    # Counted from the newest one, which is always drawn.
    for at, stored in history[::-1][::every][::-1]:
        x = (at - begin).total_seconds() / span * (CHART_WIDTH - CHART_TAIL)
        points += [(x, points[-1][1])] if points else []
        points.append((x, CHART_HEIGHT * (1 - stored / most)))
    points.append((float(CHART_WIDTH), points[-1][1]))
    first = (points[0][0], float(CHART_HEIGHT))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [first, *points])


def _announced(row: BackupRow) -> str:
    name = name_isolated(row.name)
    if row.progress is None:
        return _("“%(name)s”: %(status)s") % {"name": name, "status": row.label}
    if row.progress.percent is None:
        return _("“%(name)s”: %(phase)s") % {"name": name, "phase": row.progress.phase}
    values = {"name": name, "phase": row.progress.phase, "percent": row.progress.percent}
    return _("“%(name)s”: %(phase)s, %(percent)s %%") % values
