"""The files in a backup over the API: a folder's entries, and one file."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.answers import NOT_FOUND
from backups.api.serializers import PathField
from backups.errors import FilesUnavailable, PathNotFound
from backups.selectors import backup_get
from backups.services.browsing import Look, Sort, folder_look, modified_at
from common.api.pagination import PAGE_SIZE
from common.api.schema import CURSOR_PARAMETER, page_of, problems
from common.api.views import ApiView
from common.errors import KeyUnavailable, Throttled, ValidationError
from common.paging import CURSOR
from common.paths import path_text
from operations.errors import StatusConflict
from repository.browsing import Item, ItemKind
from vault.errors import ArchiveDamagedError, StorageUnavailableError

CURSOR_LENGTH_MAX = 1 << 17
SEARCH_LENGTH_MAX = 200
SORTS = [*(sort.value for sort in Sort), *(f"-{sort.value}" for sort in Sort)]
READING_ERRORS = (
    StatusConflict, FilesUnavailable, ArchiveDamagedError, KeyUnavailable, StorageUnavailableError, Throttled,
)  # fmt: skip
KINDS = ", ".join(f"`{kind.value}`" for kind in ItemKind)


class FolderQuery(serializers.Serializer[Any]):
    """The parameters of a folder."""

    path = PathField(required=False, default=b"", allow_blank=True)
    sort = serializers.ChoiceField(choices=SORTS, required=False, default=Sort.NAME.value)
    search = serializers.CharField(
        required=False, default="", trim_whitespace=False, allow_blank=True, max_length=SEARCH_LENGTH_MAX
    )
    cursor = serializers.CharField(
        required=False, default="", trim_whitespace=False, allow_blank=True, max_length=CURSOR_LENGTH_MAX
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Results of a search have the order of the walk."""
        if attrs["search"] and attrs["sort"] != Sort.NAME.value:
            raise serializers.ValidationError({"sort": [_("The results of a search are not sorted.")]})
        return attrs


class EntrySerializer(serializers.Serializer[Any]):
    """A file, folder or link in a backup."""

    path = serializers.CharField(help_text="From the root of the server's files; bytes that are not UTF-8 as `%XX`.")
    kind = serializers.CharField(help_text=KINDS)
    size_bytes = serializers.IntegerField(allow_null=True, help_text="Null for folders.")
    modified_at = serializers.DateTimeField(allow_null=True)
    mode = serializers.CharField(help_text="The permission bits, in octal.")
    target = serializers.CharField(allow_null=True, help_text="Of a symbolic link.")


EntryPage = page_of(EntrySerializer, name="EntryPage")


class BackupFilesView(ApiView):
    """The entries of a folder of a backup."""

    scopes = {"GET": frozenset({Scope.DOWNLOAD})}

    @extend_schema(
        operation_id="backups_files_list",
        parameters=[
            OpenApiParameter("path", description="The folder; empty for the root."),
            OpenApiParameter("sort", enum=SORTS, description="Default: by the bytes of the names."),
            OpenApiParameter(
                "search", description="Instead: all paths below the folder whose last name contains this."
            ),
            CURSOR_PARAMETER,
        ],
        responses={200: EntryPage, **problems(ValidationError, *NOT_FOUND, PathNotFound, *READING_ERRORS)},
    )
    def get(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> Response:
        """List the files in a folder of a backup."""
        asked = query_read(request, FolderQuery)
        user = caller_of(request)
        found = backup_get(user=user, order_id=order, provision_id=provision, backup_id=backup)
        look = Look(
            path=asked["path"] or b"",
            sort=Sort(asked["sort"].removeprefix("-")),
            backwards=asked["sort"].startswith("-"),
            search=asked["search"],
            cursor=asked["cursor"],
            size=PAGE_SIZE,
        )
        entries = folder_look(user=user, backup=found, look=look)
        return Response(
            {
                "next": _link(request, entries.next),
                "previous": _link(request, entries.previous),
                "results": [entry_shown(item) for item in entries.items],
            }
        )


def query_read(request: Request, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The validated parameters of a request's query. Raises ValidationError."""
    query = serializer(data=request.query_params)
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


def entry_shown(item: Item) -> dict[str, Any]:
    """An entry as JSON."""
    return {
        "path": path_text(item.path),
        "kind": item.kind.value,
        "size_bytes": None if item.kind is ItemKind.FOLDER else item.size,
        "modified_at": modified_shown(item),
        "mode": f"{item.mode:04o}",
        "target": path_text(item.target) if item.kind is ItemKind.SYMLINK else None,
    }


def modified_shown(item: Item) -> str | None:
    """That time as the API writes times."""
    moment = modified_at(item)
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _link(request: Request, cursor: str | None) -> str | None:
    return None if cursor is None else str(replace_query_param(request.build_absolute_uri(), CURSOR, cursor))
