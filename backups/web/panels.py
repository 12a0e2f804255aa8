"""Parts that apps further up add to the pages of an order, registered at start-up as kinds of operations are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.http import HttpRequest
from django.utils.functional import Promise

from backups.web.rows import BackupRow, Badge
from orders.models import Order


class Place(StrEnum):
    """A place on the order page, all of it polled with the backups while an operation is live."""

    STATE = "state"
    """Before everything else: whether the server could be brought back."""
    ABOVE = "above"
    """Between the use of the plan and the table of backups."""
    BELOW = "below"
    """After the table of backups."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel as one request shows it.

    template: its path; it finds `context` as `shown`, beside the context of the page. The repr of the values
    in `context` tells them apart: it is part of the version by which a poll knows that nothing has changed.
    """

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A part of the order page. `show` answers None where the order has nothing to show there."""

    name: str
    place: Place
    show: Callable[[HttpRequest, Order], Shown | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPanel:
    """A part of each row of the orders page. `show` answers for all orders at once; one may be missing."""

    name: str
    title: str | Promise
    show: Callable[[HttpRequest, Collection[Order]], Mapping[UUID, Shown]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A page of an order, in the row of links on its head.

    name: as the page says it to `order_head.html`. address: the name of its URL, which takes the order's id. shown:
    whether the caller has the right to it; None for everybody who may see the order.
    """

    name: str
    label: str | Promise
    address: str
    shown: Callable[[HttpRequest, Order], bool] | None = None


RowMarks = Callable[[Order], Mapping[UUID, tuple[Badge, ...]]]
"""Marks for the backups of an order, besides those that each backup has by itself."""

Registered = TypeVar("Registered", Panel, OrdersPanel, Tab)

_PANELS: dict[str, Panel] = {}
_ORDERS_PANELS: dict[str, OrdersPanel] = {}
_TABS: dict[str, Tab] = {}
_ROW_MARKS: list[RowMarks] = []


def panels_register(panels: Iterable[Panel]) -> None:
    """Add panels, each name once; a place shows its panels in the order of their registration."""
    _register(_PANELS, panels)


def orders_panels_register(panels: Iterable[OrdersPanel]) -> None:
    """Add columns to the orders page, each name once, in the order of their registration."""
    _register(_ORDERS_PANELS, panels)


def tabs_register(tabs: Iterable[Tab]) -> None:
    """Add pages to the links of an order, each name once."""
    _register(_TABS, tabs)


def row_marks_register(marks: RowMarks) -> None:
    """Add marks to the rows of backups; called once, when the app is ready."""
    if marks not in _ROW_MARKS:
        _ROW_MARKS.append(marks)


def rows_marked(order: Order, rows: Iterable[BackupRow]) -> tuple[BackupRow, ...]:
    """The rows of backups of an order that the caller was found to see, with the marks that were added."""
    found = [marks(order) for marks in _ROW_MARKS]
    return tuple(replace(row, marks=sum((marks.get(row.id, ()) for marks in found), row.marks)) for row in rows)


def panels_of(request: HttpRequest, order: Order) -> dict[Place, tuple[Shown, ...]]:
    """The panels of each place for an order that the caller was found to see."""
    found: dict[Place, tuple[Shown, ...]] = dict.fromkeys(Place, ())
    for panel in _PANELS.values():
        shown = panel.show(request, order)
        if shown is not None:
            found[panel.place] += (shown,)
    return found


def orders_panels() -> tuple[OrdersPanel, ...]:
    """The columns that were added to the orders page."""
    return tuple(_ORDERS_PANELS.values())


def tabs_of(request: HttpRequest, order: Order) -> list[Tab]:
    """The added pages of an order that the caller may open."""
    return [tab for tab in _TABS.values() if tab.shown is None or tab.shown(request, order)]


def head_of(request: HttpRequest, order: Order) -> dict[str, Any]:
    """The added pages, for the head of those pages of an order that stand below this app."""
    return {"tabs": tabs_of(request, order)}


def _register(known: dict[str, Registered], added: Iterable[Registered]) -> None:
    for one in added:
        if one.name in known:
            raise RuntimeError(f"There are two of the name {one.name} on the pages of an order.")
        known[one.name] = one
