"""Downloads: authorised at each request, streamed in bounded memory, resumable, with a checksum."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from http import HTTPStatus
from itertools import chain
from urllib.parse import quote
from uuid import UUID

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from accounts.api.authentication import caller_key, caller_look, caller_of
from accounts.scopes import Scope
from backups.api.ranges import ByteRange, if_range_holds, range_of
from backups.errors import AssetNotFound
from backups.selectors import asset_get
from backups.services.downloads import Download, asset_filename
from common.api.errors import PreconditionFailed, RangeNotSatisfiable
from common.api.schema import problems
from common.api.views import ApiView
from common.errors import KeyUnavailable, Throttled
from vault.errors import ArchiveDamagedError, StorageUnavailableError
from vault.models import Asset

_RANGE_PARAMETERS = [
    OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER) for name in ("Range", "If-Range", "If-None-Match")
]


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
        parameters=_RANGE_PARAMETERS,
        responses={
            (200, "application/gzip"): OpenApiResponse(OpenApiTypes.BINARY, description="All of it."),
            (206, "application/gzip"): OpenApiResponse(OpenApiTypes.BINARY, description="The range asked for."),
            304: OpenApiResponse(description="You have it already."),
            **problems(
                AssetNotFound,
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
        """Download an asset. `Range` resumes, `ETag` and `Repr-Digest` are its SHA-256."""
        # An archive is sent as it is: the compressing middleware is told that this client accepts no compression.
        request._request.META.pop("HTTP_ACCEPT_ENCODING", None)  # noqa: SLF001  # the framework's name for what it wraps
        found = asset_get(user=caller_of(request), asset_id=asset)
        headers = _headers(found)
        if (unchanged := _unchanged(request, found, headers)) is not None:
            return unchanged
        if request.method == "HEAD":
            return _headed(StreamingHttpResponse(content_type=found.content_type), found, part=None, headers=headers)
        part, (size, _) = None, found.measured()
        if if_range_holds(request.headers.get("If-Range"), etag=headers["ETag"], last_modified=found.created_at):
            part = range_of(request.headers.get("Range"), size=size)
        download = Download(
            asset=found,
            start=part.start if part else 0,
            stop=part.stop if part else size,
            caller=caller_key(request),
            look=caller_look(request),
        )
        return _headed(DownloadResponse(download, content_type=found.content_type), found, part=part, headers=headers)


def content_disposition(filename: str) -> str:
    """The header that saves a download under a name of any letters (RFC 6266): in ASCII, and exactly (RFC 8187)."""
    printable = "".join(letter for letter in filename if letter.isprintable())
    fallback = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in printable)
    disposition = f'attachment; filename="{fallback}"'
    return disposition if fallback == printable else f"{disposition}; filename*=UTF-8''{quote(printable, safe='')}"


def _headers(asset: Asset) -> dict[str, str]:
    _, sha256 = asset.measured()
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {
        "ETag": f'"{sha256}"',
        "Last-Modified": http_date(asset.created_at.timestamp()),
        # No-transform says the same to a proxy that compresses.
        "Cache-Control": "private, no-cache, no-transform",
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition(asset_filename(asset)),
        "Repr-Digest": f"sha-256=:{digest}:",
        # RFC 9530 replaces Digest, which download managers still read.
        "Digest": f"sha-256={digest}",
    }


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
    response: StreamingHttpResponse, asset: Asset, *, part: ByteRange | None, headers: dict[str, str]
) -> StreamingHttpResponse:
    """The response with the headers of the asset, or of a part of it."""
    for name, value in headers.items():
        response.headers[name] = value
    length = asset.size_bytes
    if part is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response.headers["Content-Range"] = part.content_range
        length = part.stop - part.start
    response.headers["Content-Length"] = str(length)
    return response
