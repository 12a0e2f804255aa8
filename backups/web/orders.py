"""The orders of the caller, each with whether it could be brought back."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from accounts.web.pages import PageView
from backups.selectors import orders_protection
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
        protection = orders_protection(page.rows)
        context = {
            "rows": [(order, protection.get(order.id)) for order in page.rows],
            "owners_shown": any(order.customer.owner_id != self.user.id for order in page.rows),
            "search_shown": bool(words or page.older or page.newer),
            "words": words,
            "page": page,
            "here": reverse("home"),
        }
        return render(request, "orders/orders.html", context)
