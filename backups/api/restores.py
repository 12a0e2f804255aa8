"""Restores over the API: preview, restore and undo."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.answers import NOT_FOUND, RULES, backup_accepted
from backups.api.serializers import (
    NEW_VOLUME,
    BackupRestoreFields,
    BackupSerializer,
    BackupUndoFields,
    PathField,
    PreviewSerializer,
)
from backups.errors import (
    BackupCollapsed,
    LimitReached,
    NothingToUndo,
    PreviewUnavailable,
    ProfileDiffers,
    SidecarUnavailableError,
    VolumesNotOffered,
)
from backups.selectors import backup_get
from backups.services.destinations import destination_get
from backups.services.previews import PATHS_A_PAGE, backup_preview
from backups.services.restores import PATHS_MAX, RestoreOptions, backup_restore, restore_undo
from common.api.idempotency import idempotency_key
from common.api.schema import IDEMPOTENCY_PARAMETER, problems
from common.api.views import ApiView, body_read
from common.errors import ValidationError
from common.paths import path_parsed, path_text
from operations.errors import StatusConflict
from provisions.errors import NoSidecar, NotAPrimaryDeployment
from sidecar_client.values import RestorePreview
from vault.errors import ArchiveDamagedError, StorageUnavailableError
from wire.enums import Mode, ServerControl


class PreviewQuery(serializers.Serializer[Any]):
    """The parameters of a preview."""

    mode = serializers.ChoiceField(choices=Mode.words(), default=Mode.REPLACE.value)
    destination = serializers.UUIDField(required=False)
    path = serializers.ListField(child=PathField(), required=False, default=list, max_length=PATHS_MAX)
    after = serializers.CharField(required=False, default="", trim_whitespace=False, max_length=1 << 16)
    limit = serializers.IntegerField(required=False, default=PATHS_A_PAGE, min_value=0, max_value=1000)


class BackupRestoreView(ApiView):
    """The restore of a backup."""

    scopes = {"POST": frozenset({Scope.RESTORE})}

    @extend_schema(
        operation_id="backups_restore",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=BackupRestoreFields,
        responses={
            202: BackupSerializer,
            **problems(
                ValidationError,
                *NOT_FOUND,
                *RULES,
                StatusConflict,
                ArchiveDamagedError,
                BackupCollapsed,
                ProfileDiffers,
                VolumesNotOffered,
                LimitReached,
            ),
        },
    )
    def post(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """Begin bringing a backup back onto its server, onto another one, or into a new volume."""
        user = caller_of(request)
        fields = body_read(request, BackupRestoreFields)
        new_volume = fields.get("destination") == NEW_VOLUME
        restoring = backup_restore(
            user=user,
            order_id=order,
            provision_id=provision,
            backup_id=backup,
            options=RestoreOptions(
                mode=Mode(fields["mode"]),
                safety=fields["safety_backup"],
                server=ServerControl(fields.get("server", ServerControl.AUTO)),
                accept_collapsed=fields["accept_collapsed"],
                destination=None if new_volume else fields.get("destination"),
                new_volume=new_volume,
                paths=tuple(fields.get("paths", ())),
            ),
            idempotency=idempotency_key(request, user_id=user.id),
        )
        return backup_accepted(request, restoring)


class BackupUndoView(ApiView):
    """The undo of the last restore of a backup."""

    scopes = {"POST": frozenset({Scope.RESTORE})}

    @extend_schema(
        operation_id="backups_undo",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=BackupUndoFields,
        responses={
            202: BackupSerializer,
            **problems(
                ValidationError, *NOT_FOUND, *RULES, StatusConflict, NothingToUndo, ArchiveDamagedError, BackupCollapsed
            ),
        },
    )
    def post(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """Restore the server's files as they were before this backup was last restored."""
        user = caller_of(request)
        fields = body_read(request, BackupUndoFields)
        restoring = restore_undo(
            user=user,
            order_id=order,
            provision_id=provision,
            backup_id=backup,
            accept_collapsed=fields["accept_collapsed"],
            idempotency=idempotency_key(request, user_id=user.id),
        )
        return backup_accepted(request, restoring)


class BackupPreviewView(ApiView):
    """The preview of a restore."""

    scopes = {"GET": frozenset({Scope.RESTORE})}

    @extend_schema(
        operation_id="backups_restore_preview",
        parameters=[
            OpenApiParameter("mode", enum=Mode.words(), description="As for the restore."),
            OpenApiParameter("destination", type=OpenApiTypes.UUID, description="As for the restore."),
            OpenApiParameter("path", many=True, description="Only these paths; may be given several times."),
            OpenApiParameter("after", description="Only paths after this one: `next` of the page before."),
            OpenApiParameter("limit", type=int, description="How many paths are named: 100, at most 1000."),
        ],
        responses={
            200: PreviewSerializer,
            **problems(
                ValidationError, *NOT_FOUND, NotAPrimaryDeployment, ProfileDiffers, NoSidecar, StatusConflict,
                PreviewUnavailable,
                SidecarUnavailableError, StorageUnavailableError,
            ),
        },
    )  # fmt: skip
    def get(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """Compare a backup with the present files of its server. Nothing is written."""
        query = PreviewQuery(data=request.query_params)
        if not query.is_valid():
            raise ValidationError(errors=query.errors)
        asked = query.validated_data
        user = caller_of(request)
        found = backup_get(user=user, order_id=order, provision_id=provision, backup_id=backup)
        preview, named = backup_preview(
            user=user,
            backup=found,
            server=destination_get(user=user, backup=found, provision_id=asked.get("destination")),
            mode=Mode(asked["mode"]),
            paths=tuple(asked["path"]),
            paths_after=_after(asked["after"]),
            paths_limit=asked["limit"],
        )
        return Response(preview_shown(preview, named=named))


def preview_shown(preview: RestorePreview, *, named: bool) -> dict[str, Any]:
    """A preview as JSON; without the right to read the data its paths are null."""
    paths = [
        {"path": path_text(change.path), "change": str(change.kind), "size_bytes": change.size_bytes}
        for change in preview.changes
    ]
    return {
        "added": preview.added,
        "changed": preview.changed,
        "removed": preview.removed,
        "stays": preview.stays,
        "bytes": preview.bytes,
        "paths": paths if named else None,
        "next": paths[-1]["path"] if named and preview.more and paths else None,
    }


def _after(text: str) -> bytes:
    try:
        return path_parsed(text)
    except ValueError:
        raise ValidationError(errors={"after": ["Not a path as this API writes them."]}) from None
