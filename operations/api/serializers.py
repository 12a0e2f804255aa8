"""Operations as the API shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.fields import UtcField
from common.errors import error_detail
from operations.kinds import kind_choices
from operations.models import Operation, OperationState
from wire.enums import STAYING


class OperationErrorSerializer(serializers.Serializer[Any]):
    """Why an operation did not succeed."""

    code = serializers.CharField(help_text="The stable name, for programs.")
    detail = serializers.CharField(help_text="What happened, what is safe, what to do next.")


class OperationSerializer(serializers.Serializer[Any]):
    """Long work on a backup, as part of it."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=kind_choices())
    state = serializers.ChoiceField(choices=OperationState.choices)
    bytes_done = serializers.IntegerField()
    bytes_total = serializers.IntegerField(allow_null=True)
    rate = serializers.IntegerField(help_text="Bytes a second.")
    eta_seconds = serializers.SerializerMethodField(help_text="Seconds that are left, as far as one can tell.")
    volume = serializers.UUIDField(
        source="volume_id",
        allow_null=True,
        help_text="The new volume that a restore makes: a provision of the order as soon as it succeeded.",
    )
    error = serializers.SerializerMethodField(help_text="Null unless it failed or was cancelled.")
    warnings = serializers.IntegerField(
        source="warnings_total", help_text="Files and folders that a restore left as they were."
    )

    def get_eta_seconds(self, operation: Operation) -> int | None:
        """The time left at the present rate, while there is one."""
        return operation.eta_seconds

    @extend_schema_field(OperationErrorSerializer(allow_null=True))
    def get_error(self, operation: Operation) -> dict[str, str] | None:
        """The stored code with its sentence in the reader's language."""
        if not operation.error_code:
            return None
        detail = error_detail(code=operation.error_code, params=operation.error_params)
        return {"code": operation.error_code, "detail": detail}


class StaysSerializer(serializers.Serializer[Any]):
    """One path that a restore left as it was."""

    path = serializers.CharField(help_text="Relative to the server's files; other bytes than UTF-8, and `%`, as `%XX`.")
    reason = serializers.ChoiceField(choices=[kind.value for kind in STAYING])


class OperationDetailSerializer(OperationSerializer):
    """Long work on an order."""

    order = serializers.UUIDField(source="order_id")
    stays = serializers.SerializerMethodField(
        help_text=(
            "The first of the files that a restore left as they were. "
            "Null where there are some and the caller may not read the data."
        )
    )
    phase = serializers.CharField(help_text="What it is doing, while it runs.")
    created_at = UtcField()
    started_at = UtcField(allow_null=True)
    finished_at = UtcField(allow_null=True)
    expires_at = UtcField(allow_null=True, help_text="When it ends by itself: a reprovision's hold on the order.")

    @extend_schema_field(StaysSerializer(many=True, allow_null=True))
    def get_stays(self, operation: Operation) -> list[dict[str, str]] | None:
        """The paths, if the context allows the caller to see them."""
        if operation.warnings and not self.context.get("named"):
            return None
        return [{"path": item["path"], "reason": item["kind"]} for item in operation.warnings]
