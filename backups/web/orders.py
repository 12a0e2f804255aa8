"""The orders of the caller, each with the columns of the apps further up: whether it could be brought back."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from accounts.web.pages import PageView
from backups.web.panels import orders_panels
from common.paging import CURSOR, page_read
from orders.selectors import orders_found

PAGE_SIZE = 25


class OrdersView(PageView):
    """The first page after the sign-in."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """List the orders the caller may see, newest first; `q` looks for a name or an id."""
        # PostgreSQL takes no NUL, and no name has one.
        words = request.GET.get("q", "").replace("\0", "").strip()
        orders = orders_found(user=self.user, words=words)
        page = page_read(orders, cursor=request.GET.get(CURSOR) or None, size=PAGE_SIZE)
        columns = [(panel.title, panel.show(request, page.rows)) for panel in orders_panels()]
        context = {
            "columns": [title for title, _shown in columns],
            "rows": [(order, [(title, shown.get(order.id)) for title, shown in columns]) for order in page.rows],
            "owners_shown": any(order.customer.owner_id != self.user.id for order in page.rows),
            "search_shown": bool(words or page.older or page.newer),
            "words": words,
            "page": page,
            "here": reverse("home"),
        }
        return render(request, "orders/orders.html", context)
