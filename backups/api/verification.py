"""Verifications over the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.answers import NOT_FOUND
from backups.errors import OperationInProgress
from backups.models import Depth
from backups.services.verification import backup_verify
from common.api.fields import StrictSerializer
from common.api.idempotency import idempotency_key
from common.api.schema import IDEMPOTENCY_PARAMETER, problems
from common.api.views import ApiView, body_read
from common.errors import IdempotencyKeyReused, ValidationError
from operations.api.serializers import OperationDetailSerializer
from operations.errors import StatusConflict
from orders.errors import OrderSuspended


class BackupVerifyFields(StrictSerializer):
    """The body of a request for a verification."""

    depth = serializers.ChoiceField(
        choices=[Depth.STRUCTURE.value, Depth.DATA.value, Depth.RESTORE.value],
        default=Depth.STRUCTURE.value,
        help_text=(
            "`structure`: everything is there and fits together. `data`: every byte is read, too. `restore`: it is "
            "restored on a machine of the portal, and every file is compared."
        ),
    )


class BackupVerifyView(ApiView):
    """The verification of a backup."""

    scopes = {"POST": frozenset({Scope.CREATE})}

    @extend_schema(
        operation_id="backups_verify",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=BackupVerifyFields,
        responses={
            202: OperationDetailSerializer,
            **problems(
                ValidationError, *NOT_FOUND, IdempotencyKeyReused, OrderSuspended, OperationInProgress, StatusConflict
            ),
        },
    )
    def post(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """Begin to verify what is stored of a backup. The result is the backup's `proof`."""
        user = caller_of(request)
        fields: dict[str, Any] = body_read(request, BackupVerifyFields)
        operation = backup_verify(
            user=user,
            order_id=order,
            provision_id=provision,
            backup_id=backup,
            depth=Depth(fields["depth"]),
            idempotency=idempotency_key(request, user_id=user.id),
        )
        shown = OperationDetailSerializer(operation, context={"named": True}).data
        location = request.build_absolute_uri(reverse("operation", kwargs={"operation": operation.id}))
        return Response(shown, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
