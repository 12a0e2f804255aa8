"""The base of the pages of an order's notifications."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from accounts.web.pages import PageView
from notices.models import Endpoint, EndpointKind
from orders.errors import OrderNotFound
from orders.models import Order
from orders.rights import OrderRight, order_rights
from orders.selectors import order_get

Head = Callable[[HttpRequest, Order], dict[str, Any]]
_heads: list[Head] = []


def head_register(head: Head) -> None:
    """Register what the head of an order's pages shows of the apps further up, such as links to their pages."""
    if head not in _heads:
        _heads.append(head)


class OrderNoticesView(PageView):
    """The base of these pages: an order that the caller may not see is a 404."""

    order: Order | None = None

    def answer(self, request: HttpRequest, *args: Any, order: UUID, **kwargs: Any) -> HttpResponseBase:
        """Find the order for all methods."""
        self.order = order_get(user=self.user, order_id=order)
        return super().answer(request, *args, **kwargs)

    @property
    def found_order(self) -> Order:
        """The order that `answer` found."""
        if self.order is None:
            raise OrderNotFound
        return self.order

    def home(self) -> str:
        """The order's notifications."""
        return reverse("page-order-notifications", kwargs={"order": self.order.id}) if self.order else super().home()

    def shown(self, template: str, context: dict[str, Any], *, status: int = HTTPStatus.OK) -> HttpResponseBase:
        """A page with the head of the order."""
        rights = order_rights(self.user, self.found_order)
        head: dict[str, Any] = {"order": self.found_order, "may_read": OrderRight.DOWNLOAD in rights}
        for more in _heads:
            head |= more(self.request, self.found_order)
        response = render(self.request, template, head | context, status=status)
        response.headers["Cache-Control"] = "no-store"
        return response

    def secret_shown(self, endpoint: Endpoint) -> HttpResponseBase:
        """The page that shows the new secret of a webhook."""
        return self.shown("notices/secret.html", {**endpoint_context(endpoint), "secret": endpoint.secret})


def endpoint_context(endpoint: Endpoint) -> dict[str, Any]:
    """One address, for the templates of its pages."""
    return {"endpoint": endpoint, "order": endpoint.order, "is_webhook": endpoint.kind == EndpointKind.WEBHOOK}


def endpoint_address(endpoint: Endpoint) -> str:
    """The page of one address."""
    return reverse("page-order-endpoint", kwargs={"order": endpoint.order_id, "endpoint": endpoint.id})
