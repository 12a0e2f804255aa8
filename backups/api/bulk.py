"""Filters of the list of backups, and one action on several of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.labels import TagsField
from backups.errors import BackupLocked, BackupNotFound
from backups.filters import BackupFilter
from backups.labels import TAG_LENGTH_MAX
from backups.models import BackupStatus
from backups.selectors import backups_of
from backups.services.bulk import BULK_MAX, BulkAction, BulkResult, backups_bulk
from common.api.fields import IdField, StrictSerializer
from common.api.schema import problems
from common.api.views import ApiView, body_read
from common.errors import ValidationError
from common.names import NAME_LENGTH_MAX
from operations.errors import StatusConflict
from orders.errors import OrderNotFound, OrderSuspended
from orders.models import BackupSource
from orders.selectors import order_get
from provisions.errors import ProvisionNotFound


class BackupListQuery(serializers.Serializer[Any]):
    """The filters of the list of backups."""

    status = serializers.ChoiceField(choices=BackupStatus.choices, required=False)
    source = serializers.ChoiceField(choices=BackupSource.choices, required=False)  # type: ignore[assignment]  # the name is the contract's
    tag = serializers.CharField(max_length=TAG_LENGTH_MAX, required=False)
    schedule = serializers.UUIDField(required=False, help_text="The schedule that made it.")
    search = serializers.CharField(max_length=NAME_LENGTH_MAX, required=False, help_text="Part of the name or notes.")

    def filter(self) -> BackupFilter:
        """The filter that was asked for."""
        values = dict(self.validated_data)
        status = values.pop("status", None)
        return BackupFilter(statuses=[status] if status else (), **values)


class BulkFields(StrictSerializer):
    """The parameters of an action on several backups."""

    ids = serializers.ListField(child=IdField(), allow_empty=False, max_length=BULK_MAX)
    action = serializers.ChoiceField(
        choices=[action.value for action in BulkAction], help_text="`tag` adds `tags` to those that a backup has."
    )
    tags = TagsField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Tags belong to the action `tag`, and it needs some."""
        if (attrs["action"] == BulkAction.TAG) != bool(attrs.get("tags")):
            raise serializers.ValidationError(
                {"tags": [gettext("Send tags with the action “tag”, and with no other.")]}
            )
        return attrs


class BulkErrorSerializer(serializers.Serializer[Any]):
    """The reason why nothing was done."""

    code = serializers.CharField()
    detail = serializers.CharField()


class BulkResultSerializer(serializers.Serializer[Any]):
    """The result for one backup."""

    id = serializers.UUIDField()
    ok = serializers.BooleanField()
    error = BulkErrorSerializer(required=False, help_text="Only where nothing was done.")


class BulkAnswerSerializer(serializers.Serializer[Any]):
    """The results, in the order of the ids."""

    results = BulkResultSerializer(many=True)


class BackupBulkView(ApiView):
    """One action on several backups."""

    scopes = {"POST": frozenset({Scope.DELETE})}

    @extend_schema(
        operation_id="backups_bulk",
        request=BulkFields,
        responses={
            200: BulkAnswerSerializer,
            **problems(
                ValidationError,
                OrderNotFound,
                ProvisionNotFound,
                OrderSuspended,
                BackupNotFound,
                BackupLocked,
                StatusConflict,
            ),
        },
    )
    def post(self, request: Request, order: UUID, provision: UUID) -> Response:
        """Delete, lock, unlock or tag several backups. Each is decided alone, and has its result in the answer."""
        user = caller_of(request)
        backups = backups_of(user=user, order_id=order, provision_id=provision)
        fields = body_read(request, BulkFields)
        results = backups_bulk(
            user=user,
            order=order_get(user=user, order_id=order),
            backups=backups,
            ids=fields["ids"],
            action=BulkAction(fields["action"]),
            tags=fields.get("tags", ()),
        )
        return Response({"results": [_shown(result) for result in results]})


def _shown(result: BulkResult) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": str(result.id), "ok": result.error is None}
    if result.error is not None:
        shown["error"] = {"code": result.error.code, "detail": result.error.detail}
    return shown
