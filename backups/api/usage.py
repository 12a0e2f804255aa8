"""The usage of an order over time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.usage import usage_samples
from common.api.fields import UtcField
from common.api.schema import page_of, problems
from common.api.views import ApiView
from common.errors import ValidationError
from orders.errors import OrderNotFound
from orders.selectors import order_get

PAGE_SIZE = 1000
BEGIN, END = "from", "to"


class UsageSerializer(serializers.Serializer[Any]):
    """The usable backups of an order at an hour."""

    at = UtcField()
    backups = serializers.IntegerField()
    logical_bytes = serializers.IntegerField(help_text="Of the files in them.")
    unique_bytes = serializers.IntegerField(help_text="In storage, used by no other order.")
    stored_bytes = serializers.IntegerField(
        help_text="The order's share of the storage; what several snapshots use is divided between them."
    )


class UsageQuery(serializers.Serializer[Any]):
    """The parameters of the list, under names that Python allows."""

    begin = UtcField(required=False)
    end = UtcField(required=False)


UsagePage = page_of(UsageSerializer, name="UsagePage")


class OrderUsageView(ApiView):
    """The usage of one order."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(
        operation_id="orders_usage",
        parameters=[
            OpenApiParameter(BEGIN, OpenApiTypes.DATETIME, description="Not before this time."),
            OpenApiParameter(END, OpenApiTypes.DATETIME, description="Before this time."),
        ],
        responses={200: UsagePage, **problems(ValidationError, OrderNotFound)},
    )
    def get(self, request: Request, order: UUID) -> Response:
        """List the samples of an order, the oldest first: hourly for 31 days, then daily for two years."""
        found = order_get(user=caller_of(request), order_id=order)
        asked = _asked(request)
        rows = usage_samples(found, begin=asked.get("begin"), end=asked.get("end")).order_by("at")
        page = list(rows[: PAGE_SIZE + 1])
        more = None
        if len(page) > PAGE_SIZE:
            at = UtcField().to_representation(page[PAGE_SIZE].at)
            more = str(replace_query_param(request.build_absolute_uri(), BEGIN, at))
        results = UsageSerializer(page[:PAGE_SIZE], many=True).data
        return Response({"next": more, "previous": None, "results": results})


def _asked(request: Request) -> dict[str, Any]:
    names = {"begin": BEGIN, "end": END}
    given = {name: request.query_params[word] for name, word in names.items() if word in request.query_params}
    query = UsageQuery(data=given)
    if not query.is_valid():
        raise ValidationError(errors={names[name]: said for name, said in query.errors.items()})
    values: dict[str, Any] = query.validated_data
    return values
