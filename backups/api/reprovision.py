"""The operation that makes room for a reprovision."""

from __future__ import annotations

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.services.reprovision import order_reprovision
from common.api.fields import NoFields
from common.api.idempotency import idempotency_key
from common.api.schema import IDEMPOTENCY_PARAMETER, problems
from common.api.views import ApiView, body_read
from common.errors import IdempotencyKeyReused, ValidationError
from operations.api.serializers import OperationDetailSerializer
from orders.errors import BackupInProgress, OrderNotFound


class OrderReprovisionView(ApiView):
    """Taking one order for a reprovision."""

    scopes = {"POST": frozenset({Scope.RESTORE})}

    @extend_schema(
        operation_id="orders_reprovision",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=None,
        responses={
            202: OperationDetailSerializer,
            **problems(ValidationError, OrderNotFound, IdempotencyKeyReused, BackupInProgress),
        },
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Take an order for a reprovision: no backup operation starts until this one is cancelled or expires."""
        user = caller_of(request)
        body_read(request, NoFields)
        operation = order_reprovision(user=user, order_id=order, idempotency=idempotency_key(request, user_id=user.id))
        location = request.build_absolute_uri(reverse("operation", kwargs={"operation": operation.id}))
        return Response(
            OperationDetailSerializer(operation).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": location},
        )
