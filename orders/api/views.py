"""Orders: the list, and one."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from common.api.pagination import NewestFirst
from common.api.schema import CURSOR_PARAMETER, page_of, problems
from common.api.views import ApiView
from common.errors import ValidationError
from orders.api.serializers import OrderSerializer
from orders.errors import OrderNotFound
from orders.rights import orders_visible
from orders.selectors import order_get

OrderPage = page_of(OrderSerializer, name="OrderPage")


class OrderListView(ApiView):
    """The orders the caller may see."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(
        operation_id="orders_list",
        parameters=[CURSOR_PARAMETER],
        responses={200: OrderPage, **problems(ValidationError)},
    )
    def get(self, request: Request) -> Response:
        """List the orders you may see, newest first."""
        pages = NewestFirst()
        orders = orders_visible(caller_of(request)).select_related("customer", "plan")
        page = pages.paginate_queryset(orders, request, self)
        return pages.get_paginated_response(OrderSerializer(page, many=True).data)


class OrderView(ApiView):
    """One order."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(operation_id="orders_get", responses={200: OrderSerializer, **problems(OrderNotFound)})
    def get(self, request: Request, order: UUID) -> Response:
        """Show one order."""
        found = order_get(user=caller_of(request), order_id=order)
        return Response(OrderSerializer(found).data)
