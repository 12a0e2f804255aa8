"""Downloads: authorised at each request, streamed in bounded memory, resumable, with a checksum."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from http import HTTPStatus
from itertools import chain
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from accounts.api.authentication import caller_key, caller_look, caller_of
from accounts.scopes import Scope
from archives.formats import ArchiveFormat
from backups.api.ranges import ByteRange, if_range_holds, range_of
from backups.api.serializers import PathField
from backups.errors import AssetNotFound, PathNotFound
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
        description="The kind of archive that is made of a backup of the format `repository`. Default: `tar.gz`.",
    ),
    OpenApiParameter(
        "path", many=True, description="Only these paths, with everything below them; of the format `repository` alone."
    ),
]


class DownloadQuery(serializers.Serializer[Any]):
    """The part of a download that its address chooses."""

    format = serializers.ChoiceField(choices=[str(name) for name in ArchiveFormat], required=False)
    path = serializers.ListField(child=PathField(), required=False, max_length=PATHS_MAX)


class AnyAccept(BaseContentNegotiation):
    """A download ignores the Accept header; an error is always a problem document."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002  # the framework's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002  # likewise
    ) -> tuple[BaseRenderer, str]:
        """The only renderer there is."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class DownloadResponse(StreamingHttpResponse):
    """The bytes of a download.

    The first are read at once, so that an archive that cannot be opened is an error, not a broken file.

    download: for the server, which asks while it sends whether the download may go on.
    """

    def __init__(self, download: Download, *, content_type: str) -> None:
        self.download = download
        try:
            first = next(download, b"")
        except BaseException:
            download.close()
            raise
        super().__init__(chain([first], download), content_type=content_type)

    def close(self) -> None:
        """End the download with its response."""
        super().close()
        self.download.close()


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
        if (unchanged := _unchanged(request, found, headers)) is not None:
            return unchanged
        content_type = CONTENT_TYPES[content.format]
        if request.method == "HEAD":
            return _headed(StreamingHttpResponse(content_type=content_type), content, part=None, headers=headers)
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
        return _headed(DownloadResponse(download, content_type=content_type), content, part=part, headers=headers)


def _choice(request: Request) -> DownloadChoice:
    query = DownloadQuery(data=request.query_params)
    if not query.is_valid():
        raise ValidationError(errors=query.errors)
    chosen = query.validated_data.get("format")
    return DownloadChoice(
        format=ArchiveFormat(chosen) if chosen else None, paths=tuple(query.validated_data.get("path", ()))
    )


def content_disposition(filename: str) -> str:
    """The header that saves a download under a name of any letters (RFC 6266): in ASCII, and exactly (RFC 8187)."""
    printable = "".join(letter for letter in filename if letter.isprintable())
    fallback = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in printable)
    disposition = f'attachment; filename="{fallback}"'
    return disposition if fallback == printable else f"{disposition}; filename*=UTF-8''{quote(printable, safe='')}"


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


def _unchanged(request: Request, asset: Asset, headers: dict[str, str]) -> HttpResponseBase | None:
    """The 304 for a client that has these bytes already, or None. Raises PreconditionFailed."""
    response: HttpResponseBase | None = get_conditional_response(
        request._request,  # noqa: SLF001  # the framework's name for the request it wraps
        etag=headers["ETag"],
        last_modified=int(asset.created_at.timestamp()),
    )
    if response is None:
        return None
    if response.status_code != HTTPStatus.NOT_MODIFIED:
        raise PreconditionFailed
    for name in ("ETag", "Last-Modified", "Cache-Control"):
        response.headers[name] = headers[name]
    return response


def _headed(
    response: StreamingHttpResponse, content: Content, *, part: ByteRange | None, headers: dict[str, str]
) -> StreamingHttpResponse:
    """The response with the headers of the download, or of a part of it."""
    for name, value in headers.items():
        response.headers[name] = value
    length = content.size
    if part is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response.headers["Content-Range"] = part.content_range
        length = part.stop - part.start
    if length is not None:
        response.headers["Content-Length"] = str(length)
    return response
