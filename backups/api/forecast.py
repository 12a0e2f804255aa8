"""The growth of an order's backups over the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.forecast import added_by_schedule, forecast_of
from common.api.fields import UtcField
from common.api.schema import problems
from common.api.views import ApiView
from common.clock import database_now
from orders.errors import OrderNotFound
from orders.selectors import order_get


class AddedBytesSerializer(serializers.Serializer[Any]):
    """What the backups of one schedule added to the storage."""

    schedule = serializers.UUIDField(
        source="schedule_id", allow_null=True, help_text="Null for backups that were asked for by hand."
    )
    safety = serializers.BooleanField(help_text="Whether these are the safety backups of restores.")
    backups = serializers.IntegerField()
    added_bytes = serializers.IntegerField(allow_null=True, help_text="Null while it is known of none of them.")


class ForecastSerializer(serializers.Serializer[Any]):
    """The use of an order and its growth."""

    used_bytes = serializers.IntegerField(help_text="In the bytes that the plan counts.")
    byte_limit = serializers.IntegerField(allow_null=True)
    bytes_per_day = serializers.IntegerField(
        allow_null=True, help_text="The growth in the last 30 days; null while too little is known."
    )
    reached_at = UtcField(
        allow_null=True,
        help_text="When the limit is reached at this rate; null without one, and when that is more than 3 years away.",
    )
    added = AddedBytesSerializer(many=True)


class OrderForecastView(ApiView):
    """The forecast of one order."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(operation_id="orders_usage_forecast", responses={200: ForecastSerializer, **problems(OrderNotFound)})
    def get(self, request: Request, order: UUID) -> Response:
        """Show how the backups of an order grow, when its limit is reached, and what each schedule added."""
        found = order_get(user=caller_of(request), order_id=order)
        forecast = forecast_of(found, database_now())
        shown: dict[str, Any] = {
            "used_bytes": forecast.used_bytes,
            "byte_limit": forecast.byte_limit,
            "bytes_per_day": forecast.bytes_per_day,
            "reached_at": forecast.reached_at,
            "added": added_by_schedule(found),
        }
        return Response(ForecastSerializer(shown).data)
