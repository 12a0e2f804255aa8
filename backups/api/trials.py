"""Test restores by schedule over the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.selectors import order_proven_at
from backups.services.trials import DAYS_MAX, trials_choose
from common.api.fields import StrictIntegerField, StrictSerializer, UtcField
from common.api.schema import problems
from common.api.views import ApiView, body_read
from common.errors import PermissionDenied, ValidationError
from orders.errors import OrderNotFound, OrderSuspended
from orders.models import Order
from orders.selectors import order_get


class TrialsFields(StrictSerializer):
    """The parameters of test restores by schedule."""

    days = StrictIntegerField(
        min_value=0, max_value=DAYS_MAX, allow_null=True,
        help_text="Days between two test restores; at least those of the plan. 0: none. Null: those of the plan.",
    )  # fmt: skip


class TrialsSerializer(serializers.Serializer[Any]):
    """The test restores of an order by schedule."""

    days = serializers.IntegerField(allow_null=True, source="trial_days", help_text="The customer's choice.")
    plan_days = serializers.IntegerField(source="plan.trial_days", help_text="0: the plan has no test restores.")
    every_days = serializers.IntegerField(source="days_of_trials", help_text="What follows from both. 0: none.")
    next_at = UtcField(
        allow_null=True, source="next_trial_at", help_text="When it is decided next whether one is needed."
    )
    last_proven_at = serializers.SerializerMethodField(help_text="The newest test restore of a good backup.")

    def get_last_proven_at(self, order: Order) -> str | None:
        """The newest proof of the order."""
        proven = order_proven_at(order)
        return UtcField().to_representation(proven) if proven else None


class OrderTrialsView(ApiView):
    """The test restores of one order by schedule."""

    scopes = {"GET": frozenset({Scope.VIEW}), "PATCH": frozenset({Scope.MANAGE})}

    @extend_schema(operation_id="orders_test_restores", responses={200: TrialsSerializer, **problems(OrderNotFound)})
    def get(self, request: Request, order: UUID) -> Response:
        """Show how often the newest good backup of an order is restored for a test."""
        return Response(TrialsSerializer(order_get(user=caller_of(request), order_id=order)).data)

    @extend_schema(
        operation_id="orders_test_restores_update",
        request=TrialsFields,
        responses={
            200: TrialsSerializer,
            **problems(ValidationError, OrderNotFound, PermissionDenied, OrderSuspended),
        },
    )
    def patch(self, request: Request, order: UUID) -> Response:
        """Choose how often: less often than the plan does it, or never."""
        user = caller_of(request)
        fields: dict[str, Any] = body_read(request, TrialsFields)
        found = order_get(user=user, order_id=order)
        return Response(TrialsSerializer(trials_choose(user=user, order=found, days=fields["days"])).data)
