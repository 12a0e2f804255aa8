"""The order page: its backups, and the part of it that is asked for again while something goes on."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import reswap, retarget, trigger_client_event

from accounts.models import User
from accounts.web.pages import PageView
from backups.errors import BackupNotFound
from backups.rules import Rules
from backups.web.endings import WATCH, Ending, ending_await, endings_take
from backups.web.filters import page_filter
from backups.web.overview import Overview, overview_of
from backups.web.panels import tabs_of
from backups.web.rows import why_not
from common.errors import ApplicationError
from common.paging import CURSOR
from orders.errors import OrderNotFound
from orders.models import Order
from orders.selectors import order_get


class OrderPageView(PageView):
    """The base of every page of one order: an order the caller may not see is a 404."""

    order: Order | None = None

    def answer(self, request: HttpRequest, *args: Any, order: UUID, **kwargs: Any) -> HttpResponseBase:
        """Find the order for all methods."""
        self.order = order_get(user=self.user, order_id=order)
        return super().answer(request, *args, order=self.order, **kwargs)

    @property
    def found_order(self) -> Order:
        """The order that `answer` found."""
        if self.order is None:
            raise OrderNotFound
        return self.order

    def home(self) -> str:
        """The order page, or the orders when there is none."""
        return order_address(self.order) if self.order else super().home()

    def done(self, message: str = "", *, to: str | None = None, begun: UUID | None = None) -> HttpResponseBase:
        """As every page, but an open order page stays: its visible part is sent anew.

        begun: an operation whose end the caller is to be told.
        """
        if begun is not None:
            ending_await(self.request.session, begun)
        if self.order is None or to is not None or self.open_page.path != self.home():
            return super().done(message, to=to)
        if message:
            messages.success(self.request, message)
        overview = self._overview(QueryDict(self.open_page.query))
        context = {"overview": overview, **self.page_context(overview.live), "oob": True}
        response = render(self.request, "backups/changed.html", context)
        return trigger_client_event(reswap(retarget(response, "#backups"), "outerHTML"), "dialog-close", after="swap")

    def refuse(self, error: ApplicationError) -> HttpResponseBase:
        """As every page, but a backup that was deleted meanwhile is no error: the list without it is shown."""
        if isinstance(error, BackupNotFound) and self.order is not None and not self.htmx:
            messages.warning(self.request, error.detail)
            return self.show(self._overview(self.request.GET), status=HTTPStatus.NOT_FOUND)
        return super().refuse(error)

    def complain(self, error: ApplicationError) -> HttpResponseBase:
        """As every page, but it names an operation in progress by its kind instead of its id."""
        active = Rules(user=self.user, order=self.order).active if self.order else None
        messages.error(self.request, why_not(error, active))
        if not self.htmx:
            return redirect(self.home())
        return reswap(render(self.request, "components/messages.html", {"oob": True}, status=error.status), "none")

    def show(self, overview: Overview, *, status: int = HTTPStatus.OK) -> HttpResponseBase:
        """The whole order page."""
        context = {"overview": overview, **self.page_context(overview.live), "may_read": overview.may_read}
        return render(self.request, "backups/order.html", context, status=status)

    def page_context(self, live: Collection[UUID] = ()) -> dict[str, Any]:
        """The order, with operations that ended since the last request; `live` are those that the page shows so."""
        endings: tuple[Ending, ...] = ()
        if self.request.method != "HEAD":
            endings = endings_take(
                user=self.user,
                order=self.found_order,
                session=self.request.session,
                live=live,
                asked=self.request.GET.getlist(WATCH),
            )
        # Asked only by templates that show it.
        may_read = partial(_may_read, self.user, self.found_order)
        tabs = partial(tabs_of, self.request, self.found_order)
        return {"order": self.found_order, "endings": endings, "may_read": may_read, "tabs": tabs}

    def part(self, template: str, context: dict[str, Any], *, version: str) -> HttpResponseBase:
        """A polled part anew with the endings that are news, or 204 when the caller has seen all of it."""
        if context["endings"]:
            return render(self.request, "backups/changed.html", {**context, "part": template, "oob": True})
        if self.request.GET.get("version") == version:
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return render(self.request, template, context)

    def _overview(self, query: QueryDict) -> Overview:
        return overview_of(
            self.request,
            user=self.user,
            order=self.found_order,
            wanted=page_filter(query),
            cursor=query.get(CURSOR) or None,
        )


class OrderView(OrderPageView):
    """The order page."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:  # noqa: ARG002  # the base has used it
        """Show an order with its backups."""
        return self.show(self._overview(request.GET))


class OrderBackupsView(OrderPageView):
    """The part of the order page that changes."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, order: Order) -> HttpResponseBase:  # noqa: ARG002  # the base has used it
        """The part anew, or 204 when the client has the current version."""
        overview = self._overview(request.GET)
        context = {"overview": overview, **self.page_context(overview.live)}
        return self.part("backups/overview.html", context, version=overview.version)


def _may_read(user: User, order: Order) -> bool:
    return Rules(user=user, order=order).may_read


def order_address(order: Order) -> str:
    """The address of an order's page."""
    return reverse("page-order", kwargs={"order": order.id})
