"""Files over all backups of a server: the versions of one path, and a search by name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.api.authentication import caller_of
from accounts.scopes import Scope
from backups.api.files import (
    KINDS,
    SEARCH_LENGTH_MAX,
    EntrySerializer,
    entry_shown,
    modified_shown,
    query_read,
)
from backups.api.serializers import PathField
from backups.errors import PathNotFound
from backups.services.versions import Version, names_search, versions_of
from common.api.fields import UtcField
from common.api.schema import CURSOR_PARAMETER, problems
from common.api.views import ApiView
from common.errors import Throttled, ValidationError
from common.paging import CURSOR
from orders.errors import OrderNotFound
from provisions.errors import ProvisionNotFound


class VersionsQuery(serializers.Serializer[Any]):
    """The parameters of the versions of a path."""

    path = PathField()
    cursor = serializers.CharField(required=False, default=None)


class SearchQuery(serializers.Serializer[Any]):
    """The parameters of a search over all backups."""

    q = serializers.CharField(trim_whitespace=False, max_length=SEARCH_LENGTH_MAX)


class VersionSerializer(serializers.Serializer[Any]):
    """A path as one backup has it."""

    backup = serializers.UUIDField()
    created_at = UtcField(help_text="When the backup was made.")
    kind = serializers.CharField(help_text=KINDS)
    size_bytes = serializers.IntegerField(allow_null=True)
    modified_at = serializers.DateTimeField(allow_null=True)
    same_as_previous = serializers.BooleanField(help_text="Whether the backup before has it unchanged.")


class VersionPage(serializers.Serializer[Any]):
    """The versions in some of the backups, newest first."""

    next = serializers.URLField(allow_null=True, help_text="The page of older ones.")
    previous = serializers.URLField(allow_null=True, help_text="The page of newer ones.")
    results = VersionSerializer(many=True)
    unreadable = serializers.ListField(
        child=serializers.UUIDField(), help_text="Backups whose files cannot be listed, so that they may have it too."
    )


class MatchSerializer(EntrySerializer):
    """A path whose name matches, as it is in the newest backup that has it."""

    backup = serializers.UUIDField()
    created_at = UtcField()


class MatchPage(serializers.Serializer[Any]):
    """The paths found, those of the newest backup first."""

    next = serializers.URLField(allow_null=True, help_text="Always null: a search has one page.")
    previous = serializers.URLField(allow_null=True, help_text="Always null.")
    results = MatchSerializer(many=True)
    complete = serializers.BooleanField(help_text="Whether there are no more; a longer text finds fewer.")


class VersionsView(ApiView):
    """The versions of one path."""

    scopes = {"GET": frozenset({Scope.DOWNLOAD})}

    @extend_schema(
        operation_id="provisions_versions",
        parameters=[OpenApiParameter("path", required=True, description="A file or folder."), CURSOR_PARAMETER],
        responses={
            200: VersionPage,
            **problems(ValidationError, OrderNotFound, ProvisionNotFound, PathNotFound),
        },
    )
    def get(self, request: Request, order: UUID, provision: UUID) -> Response:
        """List the versions of a path over the backups of a server, newest first."""
        asked = query_read(request, VersionsQuery)
        versions = versions_of(
            user=caller_of(request),
            order_id=order,
            provision_id=provision,
            path=asked["path"],
            cursor=asked["cursor"],
        )
        return Response(
            {
                "next": _link(request, versions.page.older),
                "previous": _link(request, versions.page.newer),
                "results": [_version_shown(version) for version in versions.found],
                "unreadable": [str(backup.id) for backup in versions.unreadable],
            }
        )


class SearchView(ApiView):
    """Names over all backups."""

    scopes = {"GET": frozenset({Scope.DOWNLOAD})}

    @extend_schema(
        operation_id="provisions_search",
        parameters=[OpenApiParameter("q", required=True, description="A part of the name of a file or folder.")],
        responses={200: MatchPage, **problems(ValidationError, OrderNotFound, ProvisionNotFound, Throttled)},
    )
    def get(self, request: Request, order: UUID, provision: UUID) -> Response:
        """Search all backups of a server for names."""
        needle = query_read(request, SearchQuery)["q"]
        matches = names_search(user=caller_of(request), order_id=order, provision_id=provision, needle=needle)
        results = [
            {**entry_shown(match.item), "backup": str(match.backup.id), "created_at": _time(match.backup.created_at)}
            for match in matches.found
        ]
        return Response({"next": None, "previous": None, "results": results, "complete": matches.complete})


def _version_shown(version: Version) -> dict[str, Any]:
    shown = entry_shown(version.item)
    return {
        "backup": str(version.backup.id),
        "created_at": _time(version.backup.created_at),
        "kind": shown["kind"],
        "size_bytes": shown["size_bytes"],
        "modified_at": modified_shown(version.item),
        "same_as_previous": version.same,
    }


def _time(moment: Any) -> Any:
    return UtcField().to_representation(moment)


def _link(request: Request, cursor: str | None) -> str | None:
    return str(replace_query_param(request.build_absolute_uri(), CURSOR, cursor)) if cursor else None
