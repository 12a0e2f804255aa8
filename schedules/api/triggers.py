"""Triggers of a server over the API: list, show, set."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from common.api.fields import StrictBooleanField, StrictIntegerField, StrictSerializer, UtcField
from common.api.pagination import whole_list
from common.api.schema import page_of, problems
from common.api.views import ApiView, body_read
from common.errors import NotFound, ValidationError, error_detail
from orders.errors import OrderNotFound, OrderSuspended, PlanHasNoBackups
from provisions.errors import NoSidecar, NotAPrimaryDeployment, ProvisionNotFound
from schedules.errors import SchedulesNotOffered
from schedules.models import Trigger, TriggerKind
from schedules.selectors import triggers_of
from schedules.services.triggers import trigger_set

KIND = OpenApiParameter("kind", enum=TriggerKind.values, location=OpenApiParameter.PATH)


class TriggerErrorSerializer(serializers.Serializer[Any]):
    """Why the last look had no answer, or why the backup that is due waits."""

    code = serializers.CharField()
    detail = serializers.CharField()


class TriggerSerializer(serializers.Serializer[Any]):
    """A trigger of a server."""

    kind = serializers.ChoiceField(choices=TriggerKind.choices)
    enabled = serializers.BooleanField()
    limit_bytes = serializers.IntegerField(
        allow_null=True, help_text="Of `changed_bytes`: more than this must have changed since the last good backup."
    )
    interval_minutes = serializers.IntegerField(
        help_text="The least time between two backups by triggers of the server. The intervals of the plan count too."
    )
    looked_at = UtcField(allow_null=True, help_text="When the sidecar last answered.")
    due_at = UtcField(allow_null=True, help_text="A backup is to begin then, or as soon as it can.")
    fired_at = UtcField(allow_null=True, help_text="When it made its last backup.")
    backup = serializers.UUIDField(source="backup_id", allow_null=True, help_text="Its last backup.")
    error = serializers.SerializerMethodField(help_text="Null when nothing is wrong.")

    @extend_schema_field(TriggerErrorSerializer(allow_null=True))
    def get_error(self, trigger: Trigger) -> Any:
        """The error with its sentence, in the reader's language."""
        code = trigger.error_code
        return {"code": code, "detail": error_detail(code=code, params={})} if code else None


class TriggerFields(StrictSerializer):
    """The settings of a trigger, as a whole."""

    enabled = StrictBooleanField()
    limit_bytes = StrictIntegerField(required=False, allow_null=True, help_text="Of `changed_bytes`, and needed there.")
    interval_minutes = StrictIntegerField(required=False, help_text="Default: the shortest interval of the plan.")


TriggerPage = page_of(TriggerSerializer, name="TriggerPage")


class TriggerListView(ApiView):
    """The triggers of one server."""

    scopes = {"GET": frozenset({Scope.VIEW})}

    @extend_schema(
        operation_id="triggers_list", responses={200: TriggerPage, **problems(OrderNotFound, ProvisionNotFound)}
    )
    def get(self, request: Request, order: UUID, provision: UUID) -> Response:
        """List the triggers of a server, one of each kind; one that was never set is disabled."""
        found = triggers_of(user=caller_of(request), order_id=order, provision_id=provision)
        return whole_list(list(TriggerSerializer(found, many=True).data))


class TriggerView(ApiView):
    """One trigger of a server."""

    scopes = {"GET": frozenset({Scope.VIEW}), "PUT": frozenset({Scope.MANAGE})}

    @extend_schema(
        operation_id="triggers_get",
        parameters=[KIND],
        responses={200: TriggerSerializer, **problems(OrderNotFound, ProvisionNotFound, NotFound)},
    )
    def get(self, request: Request, order: UUID, provision: UUID, kind: str) -> Response:
        """Show one trigger of a server."""
        found = triggers_of(user=caller_of(request), order_id=order, provision_id=provision)
        wanted = _kind(kind)
        return Response(TriggerSerializer(next(trigger for trigger in found if trigger.kind == wanted)).data)

    @extend_schema(
        operation_id="triggers_set",
        parameters=[KIND],
        request=TriggerFields,
        responses={
            200: TriggerSerializer,
            **problems(
                ValidationError, OrderNotFound, ProvisionNotFound, NotFound, OrderSuspended, PlanHasNoBackups,
                SchedulesNotOffered, NotAPrimaryDeployment, NoSidecar,
            ),
        },
    )  # fmt: skip
    def put(self, request: Request, order: UUID, provision: UUID, kind: str) -> Response:
        """Turn a trigger on or off, and set its limit and interval. One that is turned on waits for the next event."""
        wanted = _kind(kind)
        fields = body_read(request, TriggerFields)
        changed = trigger_set(
            user=caller_of(request),
            order_id=order,
            provision_id=provision,
            kind=wanted,
            enabled=fields["enabled"],
            limit_bytes=fields.get("limit_bytes"),
            interval_minutes=fields.get("interval_minutes"),
        )
        return Response(TriggerSerializer(changed).data)


def _kind(word: str) -> TriggerKind:
    try:
        return TriggerKind(word)
    except ValueError:
        raise NotFound from None
