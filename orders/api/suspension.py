"""The suspension of an order, for the systems of staff, such as a billing system."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from common.api.schema import problems
from common.api.views import ApiView, body_read
from common.errors import PermissionDenied, ValidationError
from orders.api.serializers import OrderSerializer, SuspensionFields
from orders.errors import OrderNotFound
from orders.selectors import order_get
from orders.services.suspension import order_suspend_now, order_unsuspend

_PROBLEMS = problems(ValidationError, OrderNotFound, PermissionDenied)


class OrderSuspensionView(ApiView):
    """The suspension of an order. Only staff who may change orders have it."""

    scopes = {"POST": frozenset({Scope.MANAGE}), "DELETE": frozenset({Scope.MANAGE})}

    @extend_schema(
        operation_id="orders_suspend", request=SuspensionFields, responses={200: OrderSerializer, **_PROBLEMS}
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Suspend an order, or ask for its deletion. `removal_at` in the answer is the date until which it waits."""
        user = caller_of(request)
        fields: dict[str, Any] = body_read(request, SuspensionFields)
        found = order_get(user=user, order_id=order)
        suspended = order_suspend_now(user=user, order=found, terminates=fields["terminates"])
        return Response(OrderSerializer(suspended).data)

    @extend_schema(operation_id="orders_unsuspend", request=None, responses={200: OrderSerializer, **_PROBLEMS})
    def delete(self, request: Request, order: UUID) -> Response:
        """Lift the suspension of an order, and take its deletion back."""
        user = caller_of(request)
        lifted = order_unsuspend(user=user, order=order_get(user=user, order_id=order))
        return Response(OrderSerializer(lifted).data)
