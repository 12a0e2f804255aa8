"""Triggers: what programs beside a game ask for."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.answers import CREATES, backup_accepted, backup_shown
from backups.api.serializers import BackupSerializer
from backups.errors import BackupNotFound
from backups.models import BackupStatus
from common.api.fields import StrictIntegerField, StrictSerializer
from common.api.idempotency import idempotency_key
from common.api.schema import IDEMPOTENCY_PARAMETER, problems
from common.api.views import ApiView, body_read
from common.errors import ValidationError
from orders.errors import OrderNotFound
from schedules.services.updates import WAIT_SECONDS_MAX, update_backup


class UpdateFields(StrictSerializer):
    """The parameters of a backup before an update."""

    wait_seconds = StrictIntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=WAIT_SECONDS_MAX,
        help_text=(
            "How long the answer may wait for the backup, and for another operation before it. Default: 0, it is "
            "answered at once."
        ),
    )


class UpdateTriggerView(ApiView):
    """A backup before an update of the game."""

    scopes = {"POST": frozenset({Scope.CREATE})}

    @extend_schema(
        operation_id="triggers_update",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=UpdateFields,
        responses={
            200: BackupSerializer,
            202: BackupSerializer,
            **problems(ValidationError, OrderNotFound, BackupNotFound, *CREATES),
        },
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Back up the order's server before an update: 200 once the backup is ready, 202 while it is not."""
        user = caller_of(request)
        seconds = body_read(request, UpdateFields)["wait_seconds"]
        key = idempotency_key(request, user_id=user.id)
        backup = update_backup(user=user, order_id=order, seconds=seconds, idempotency=key)
        if backup.status == BackupStatus.READY:
            return Response(backup_shown(backup), status=status.HTTP_200_OK)
        return backup_accepted(request, backup)
