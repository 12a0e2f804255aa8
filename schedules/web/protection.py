"""Whether an order is protected, as its own page and the orders page show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import pgettext_lazy

from backups.web.panels import OrdersPanel, Panel, Place, Shown
from orders.models import Order
from schedules.protection.facts import order_protection, orders_protection
from schedules.protection.state import Day, DayState, Protection, State
from schedules.protection.words import DAY_WORDS, LOOKS, day_text, sentence, strip_text


@dataclass(frozen=True, slots=True)
class ShownDay:
    """One day of the strip: tone and icon, never colour alone, and its words."""

    day: Day

    @property
    def tone(self) -> str:
        """Its colour."""
        return DAY_WORDS[self.day.state][1]

    @property
    def icon(self) -> str:
        """Its picture."""
        return DAY_WORDS[self.day.state][2]

    @property
    def text(self) -> str:
        """Its date, its state and its counts."""
        return day_text(self.day)

    @property
    def eventful(self) -> bool:
        """Whether anything happened, or should have."""
        return self.day.state is not DayState.QUIET


@dataclass(frozen=True, slots=True)
class ShownProtection:
    """The protection of an order in words, made when the page is: its repr has no relative time."""

    protection: Protection

    @property
    def sentence(self) -> str:
        """The whole state, with its reason."""
        return sentence(self.protection)

    @property
    def word(self) -> str:
        """The state alone."""
        return str(self.protection.state.label)

    @property
    def tone(self) -> str:
        """The colour of the state."""
        return LOOKS[self.protection.state][0]

    @property
    def icon(self) -> str:
        """The picture of the state."""
        return LOOKS[self.protection.state][1]

    @property
    def unprotected(self) -> bool:
        """Whether there is nothing to bring the server back from."""
        return self.protection.state is State.UNPROTECTED

    @property
    def days(self) -> list[ShownDay]:
        """The strip, the oldest day first."""
        return [ShownDay(day) for day in self.protection.days]

    @property
    def summary(self) -> str:
        """The strip in one sentence."""
        return strip_text(self.protection.days)


def _of_order(_request: HttpRequest, order: Order) -> Shown:
    return Shown("schedules/protection.html", {"protection": ShownProtection(order_protection(order))})


def protection_rows(_request: HttpRequest, orders: Collection[Order]) -> Mapping[UUID, Shown]:
    """The protection of many orders, each as a cell of a table."""
    found = orders_protection(orders)
    return {
        order_id: Shown("schedules/protection_row.html", {"protection": ShownProtection(protection)})
        for order_id, protection in found.items()
    }


PANELS = [Panel(name="protection", place=Place.STATE, show=_of_order)]
ORDERS_PANELS = [
    OrdersPanel(name="protection", title=pgettext_lazy("state of a server", "Protection"), show=protection_rows)
]
