"""Backups of a server: list, create, show, change, delete, restore."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.answers import CREATES, NOT_FOUND, backup_accepted, backup_shown, backups_shown
from backups.api.bulk import BackupListQuery
from backups.api.serializers import BackupCreateFields, BackupSerializer, BackupUpdateFields
from backups.errors import BackupLocked
from backups.models import Backup
from backups.selectors import backup_get, backups_of
from backups.services.backups import backup_create, backup_delete, backup_update
from common.api.idempotency import idempotency_key
from common.api.pagination import NewestFirst
from common.api.schema import CURSOR_PARAMETER, IDEMPOTENCY_PARAMETER, page_of, problems
from common.api.views import ApiView, body_read
from common.errors import ValidationError
from operations.errors import StatusConflict
from orders.errors import OrderNotFound
from orders.models import BackupFormat
from provisions.errors import PatternsForbidden, ProvisionNotFound

BackupPage = page_of(BackupSerializer, name="BackupPage")


class BackupListView(ApiView):
    """The backups of one server."""

    scopes = {"GET": frozenset({Scope.VIEW}), "POST": frozenset({Scope.CREATE})}

    @extend_schema(
        operation_id="backups_list",
        parameters=[CURSOR_PARAMETER, BackupListQuery],
        responses={200: BackupPage, **problems(ValidationError, OrderNotFound, ProvisionNotFound)},
    )
    def get(self, request: Request, order: UUID, provision: UUID) -> Response:
        """List the backups of a server, newest first; all of them, or those that match every filter."""
        pages = NewestFirst()
        backups = backups_of(user=caller_of(request), order_id=order, provision_id=provision)
        query = BackupListQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = pages.paginate_queryset(query.filter().of(backups), request, self)
        return pages.get_paginated_response(backups_shown(page))

    @extend_schema(
        operation_id="backups_create",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=BackupCreateFields,
        responses={
            202: BackupSerializer,
            **problems(
                ValidationError,
                OrderNotFound,
                ProvisionNotFound,
                *CREATES,
                PatternsForbidden,
            ),
        },
    )
    def post(self, request: Request, order: UUID, provision: UUID) -> Response:
        """Begin a backup. It is `creating` until the work in the background has ended."""
        user = caller_of(request)
        fields = body_read(request, BackupCreateFields)
        backup = backup_create(
            user=user,
            order_id=order,
            provision_id=provision,
            name=fields.get("name"),
            format_wanted=BackupFormat(fields["format"]) if "format" in fields else None,
            exclude=fields.get("exclude", ()),
            notes=fields.get("notes", ""),
            tags=fields.get("tags", ()),
            idempotency=idempotency_key(request, user_id=user.id),
        )
        return backup_accepted(request, backup)


class BackupView(ApiView):
    """One backup."""

    scopes = {
        "GET": frozenset({Scope.VIEW}),
        "PATCH": frozenset({Scope.DELETE}),
        "DELETE": frozenset({Scope.DELETE}),
    }

    @extend_schema(operation_id="backups_get", responses={200: BackupSerializer, **problems(*NOT_FOUND)})
    def get(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """Show one backup."""
        return Response(backup_shown(_backup(request, order, provision, backup)))

    @extend_schema(
        operation_id="backups_update",
        request=BackupUpdateFields,
        responses={200: BackupSerializer, **problems(ValidationError, *NOT_FOUND)},
    )
    def patch(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """Rename a backup, lock and unlock it, replace its notes or tags, or accept one of a server that lost files."""
        fields = body_read(request, BackupUpdateFields)
        found = _backup(request, order, provision, backup)
        changed = backup_update(
            user=caller_of(request),
            backup=found,
            name=fields.get("name"),
            locked=fields.get("locked"),
            collapsed=fields.get("collapsed"),
            notes=fields.get("notes"),
            tags=fields.get("tags"),
        )
        return Response(backup_shown(changed))

    @extend_schema(
        operation_id="backups_delete",
        responses={204: None, **problems(*NOT_FOUND, StatusConflict, BackupLocked)},
    )
    def delete(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """Delete a backup. It is gone from every list at once, from storage soon after."""
        backup_delete(user=caller_of(request), backup=_backup(request, order, provision, backup))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _backup(request: Request, order: UUID, provision: UUID, backup: UUID) -> Backup:
    return backup_get(user=caller_of(request), order_id=order, provision_id=provision, backup_id=backup)
