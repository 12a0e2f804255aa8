"""Operations: progress and cancel."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from common.api.fields import NoFields
from common.api.idempotency import idempotency_key
from common.api.permissions import scope_require
from common.api.schema import problems
from common.api.views import ApiView, body_read
from common.errors import ValidationError
from operations.api.serializers import OperationDetailSerializer
from operations.errors import OperationNotFound, StatusConflict
from operations.kinds import kind_of
from operations.selectors import operation_get
from operations.services.operations import operation_cancel
from orders.rights import OrderRight, order_rights


class OperationView(ApiView):
    """One operation."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(
        operation_id="operations_get", responses={200: OperationDetailSerializer, **problems(OperationNotFound)}
    )
    def get(self, request: Request, operation: UUID) -> Response:
        """Show how far an operation is."""
        user = caller_of(request)
        found = operation_get(user=user, operation_id=operation)
        named = found.order is None or OrderRight.DOWNLOAD in order_rights(user, found.order)
        return Response(OperationDetailSerializer(found, context={"named": named}).data)


class OperationCancelView(ApiView):
    """Stopping one operation."""

    scopes = {"POST": frozenset({Scope.CREATE, Scope.RESTORE})}

    @extend_schema(
        operation_id="operations_cancel",
        request=None,
        responses={
            202: OperationDetailSerializer,
            **problems(ValidationError, OperationNotFound, StatusConflict),
        },
    )
    def post(self, request: Request, operation: UUID) -> Response:
        """Ask an operation to stop (scope `create` for a create, else `restore`). It ends at its next checkpoint."""
        body_read(request, NoFields)
        found = operation_get(user=caller_of(request), operation_id=operation)
        scope_require(request, Scope.CREATE if kind_of(found).cancel_right == OrderRight.CREATE else Scope.RESTORE)
        user = caller_of(request)
        stopped = operation_cancel(user=user, operation=found, idempotency=idempotency_key(request, user_id=user.id))
        return Response(OperationDetailSerializer(stopped).data, status=status.HTTP_202_ACCEPTED)
