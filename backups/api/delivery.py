"""The delivery of bytes that never change: conditional requests (RFC 9110, chapter 13), headers, and parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from itertools import chain
from urllib.parse import quote

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from backups.api.ranges import ByteRange
from backups.services.downloads import Download
from common.api.errors import PreconditionFailed

_OF_UNCHANGED = ("ETag", "Last-Modified", "Cache-Control")


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


def unchanged_response(
    request: Request, headers: Mapping[str, str], *, last_modified: datetime | None = None
) -> HttpResponseBase | None:
    """The 304 for a client that has these bytes already, or None. Raises PreconditionFailed."""
    response: HttpResponseBase | None = get_conditional_response(
        request._request,  # noqa: SLF001  # the framework's name for the request it wraps
        etag=headers["ETag"],
        last_modified=int(last_modified.timestamp()) if last_modified else None,
    )
    if response is None:
        return None
    if response.status_code != HTTPStatus.NOT_MODIFIED:
        raise PreconditionFailed
    for name in _OF_UNCHANGED:
        if name in headers:
            response.headers[name] = headers[name]
    return response


def response_headed(
    response: StreamingHttpResponse, headers: Mapping[str, str], *, size: int | None, part: ByteRange | None = None
) -> StreamingHttpResponse:
    """The response with its headers and length, of all bytes (`size`, None while it is not known) or of a part."""
    for name, value in headers.items():
        response.headers[name] = value
    if part is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response.headers["Content-Range"] = part.content_range
        size = part.stop - part.start
    if size is not None:
        response.headers["Content-Length"] = str(size)
    return response


def content_disposition(filename: str) -> str:
    """The header that saves a download under a name of any letters (RFC 6266): in ASCII, and exactly (RFC 8187)."""
    printable = "".join(letter for letter in filename if letter.isprintable())
    fallback = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in printable)
    disposition = f'attachment; filename="{fallback}"'
    return disposition if fallback == printable else f"{disposition}; filename*=UTF-8''{quote(printable, safe='')}"
