"""Downloads: authorised at each request, streamed in bounded memory, resumable, with a checksum."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts.api.authentication import caller_key, caller_look, caller_of
from accounts.scopes import Scope
from archives.formats import ArchiveFormat
from backups.api.delivery import (
    AnyAccept,
    DownloadResponse,
    content_disposition,
    response_headed,
    unchanged_response,
)
from backups.api.ranges import if_range_holds, range_of
from backups.api.serializers import PathField
from backups.errors import AssetNotFound, FilesUnavailable, PathNotFound
from backups.formats.download import CONTENT_TYPES, Content, DownloadChoice
from backups.selectors import asset_get
from backups.services.downloads import Download, asset_content, asset_filename
from backups.services.restores import PATHS_MAX
from common.api.errors import PreconditionFailed, RangeNotSatisfiable
from common.api.schema import problems
from common.api.views import ApiView
from common.errors import KeyUnavailable, Throttled, ValidationError
from vault.errors import ArchiveDamagedError, StorageUnavailableError
from vault.models import Asset

_RANGE_PARAMETERS = [
    OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER) for name in ("Range", "If-Range", "If-None-Match")
]

_CHOICE_PARAMETERS = [
    OpenApiParameter(
        "format",
        enum=[str(name) for name in ArchiveFormat],
        description="The kind of archive. Default: `tar.gz`, in which a backup of the format `archive` is stored.",
    ),
    OpenApiParameter(
        "path",
        many=True,
        description="Only these paths, with everything below them. A stored archive is read up to the last of them.",
    ),
]


class DownloadQuery(serializers.Serializer[Any]):
    """The part of a download that its address chooses."""

    format = serializers.ChoiceField(choices=[str(name) for name in ArchiveFormat], required=False)
    path = serializers.ListField(child=PathField(), required=False, max_length=PATHS_MAX)


class AssetView(ApiView):
    """The bytes of one asset."""

    scopes = {"GET": frozenset({Scope.DOWNLOAD})}
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="assets_download",
        parameters=[*_RANGE_PARAMETERS, *_CHOICE_PARAMETERS],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="All of it."),
            (206, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The range asked for."),
            304: OpenApiResponse(description="You have it already."),
            **problems(
                AssetNotFound,
                PathNotFound,
                FilesUnavailable,
                ValidationError,
                ArchiveDamagedError,
                KeyUnavailable,
                PreconditionFailed,
                RangeNotSatisfiable,
                StorageUnavailableError,
                Throttled,
            ),
        },
    )
    def get(self, request: Request, asset: UUID) -> HttpResponseBase:
        """Download an asset. `Range` resumes; `Repr-Digest` is its SHA-256, once it is known."""
        # An archive is sent as it is: the compressing middleware is told that this client accepts no compression.
        request._request.META.pop("HTTP_ACCEPT_ENCODING", None)  # noqa: SLF001  # the framework's name for what it wraps
        found = asset_get(user=caller_of(request), asset_id=asset)
        content = asset_content(found, _choice(request))
        headers = _headers(found, content)
        if (unchanged := unchanged_response(request, headers, last_modified=found.created_at)) is not None:
            return unchanged
        content_type = CONTENT_TYPES[content.format]
        if request.method == "HEAD":
            return response_headed(StreamingHttpResponse(content_type=content_type), headers, size=content.size)
        part = None
        holds = if_range_holds(request.headers.get("If-Range"), etag=headers["ETag"], last_modified=found.created_at)
        if holds and content.size is not None:
            part = range_of(request.headers.get("Range"), size=content.size)
        download = Download(
            asset=found,
            content=content,
            start=part.start if part else 0,
            stop=part.stop if part else content.size,
            caller=caller_key(request),
            look=caller_look(request),
        )
        response = DownloadResponse(download, content_type=content_type)
        return response_headed(response, headers, size=content.size, part=part)


def _choice(request: Request) -> DownloadChoice:
    query = DownloadQuery(data=request.query_params)
    if not query.is_valid():
        raise ValidationError(errors=query.errors)
    chosen = query.validated_data.get("format")
    return DownloadChoice(
        format=ArchiveFormat(chosen) if chosen else None, paths=tuple(query.validated_data.get("path", ()))
    )


def _headers(asset: Asset, content: Content) -> dict[str, str]:
    headers = {
        "ETag": f'"{content.etag}"',
        "Last-Modified": http_date(asset.created_at.timestamp()),
        # No-transform says the same to a proxy that compresses.
        "Cache-Control": "private, no-cache, no-transform",
        "Accept-Ranges": "none" if content.size is None else "bytes",
        "Content-Disposition": content_disposition(asset_filename(asset, content.format)),
    }
    if content.sha256 is not None:
        digest = base64.b64encode(bytes.fromhex(content.sha256)).decode()
        # RFC 9530 replaces Digest, which download managers still read.
        headers |= {"Repr-Digest": f"sha-256=:{digest}:", "Digest": f"sha-256={digest}"}
    return headers
