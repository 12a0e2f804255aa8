"""One file of a backup over the API."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts.api.authentication import caller_key, caller_look, caller_of
from accounts.scopes import Scope
from backups.api.answers import NOT_FOUND
from backups.api.delivery import (
    AnyAccept,
    DownloadResponse,
    content_disposition,
    response_headed,
    unchanged_response,
)
from backups.api.files import READING_ERRORS, query_read
from backups.api.ranges import range_of
from backups.api.serializers import PathField
from backups.errors import PathNotFound
from backups.models import Backup
from backups.selectors import backup_get
from backups.services.browsing import item_get
from backups.services.downloads import file_filename
from backups.services.files import SANDBOX, file_download
from common.api.errors import PreconditionFailed, RangeNotSatisfiable
from common.api.schema import problems
from common.api.views import ApiView
from common.errors import ValidationError
from common.paths import path_text
from repository.browsing import Item, ItemKind

CONTENT_TYPE = "application/octet-stream"
"""No browser shows or runs it, whatever it is."""


class ContentQuery(serializers.Serializer[Any]):
    """The parameters of a file."""

    path = PathField()


class BackupFileView(ApiView):
    """The bytes of one file of a backup."""

    scopes = {"GET": frozenset({Scope.DOWNLOAD})}
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="backups_files_content",
        parameters=[
            OpenApiParameter("path", required=True, description="The file, as `files/` writes it."),
            *(OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER) for name in ("Range", "If-None-Match")),
        ],
        responses={
            (200, CONTENT_TYPE): OpenApiResponse(OpenApiTypes.BINARY, description="All of it."),
            (206, CONTENT_TYPE): OpenApiResponse(OpenApiTypes.BINARY, description="The range asked for."),
            302: OpenApiResponse(description="A folder: on to an archive of it, which `assets/` makes."),
            304: OpenApiResponse(description="You have it already."),
            **problems(
                ValidationError, *NOT_FOUND, PathNotFound, *READING_ERRORS, PreconditionFailed, RangeNotSatisfiable
            ),
        },
    )
    def get(self, request: Request, order: UUID, provision: UUID, backup: UUID) -> HttpResponseBase:
        """Download one file of a backup, or a folder as an archive. A stored archive is read up to the file."""
        request._request.META.pop("HTTP_ACCEPT_ENCODING", None)  # noqa: SLF001  # it is sent as it is
        path, user = query_read(request, ContentQuery)["path"], caller_of(request)
        found = backup_get(user=user, order_id=order, provision_id=provision, backup_id=backup)
        item = item_get(user=user, backup=found, path=path)
        if item.kind is ItemKind.FOLDER and found.asset_id is not None:
            return redirect(
                f"{reverse('asset', kwargs={'asset': found.asset_id})}?{urlencode({'path': path_text(path)})}"
            )
        if item.kind is not ItemKind.FILE:
            raise PathNotFound
        headers = file_headers(found, item)
        if (unchanged := unchanged_response(request, headers)) is not None:
            return unchanged
        if request.method == "HEAD":
            return response_headed(StreamingHttpResponse(content_type=CONTENT_TYPE), headers, size=item.size)
        part = None
        if request.headers.get("If-Range") in (None, headers["ETag"]):
            part = range_of(request.headers.get("Range"), size=item.size)
        start, stop = (part.start, part.stop) if part else (0, item.size)
        download = file_download(
            backup=found, item=item, start=start, stop=stop, caller=caller_key(request), look=caller_look(request)
        )
        response = DownloadResponse(download, content_type=CONTENT_TYPE)
        return response_headed(response, headers, size=item.size, part=part)


def file_headers(backup: Backup, item: Item) -> dict[str, str]:
    """The headers of one file of a backup, whose content never changes."""
    return {
        "ETag": f'"{backup.asset_id}-{blake2b(item.path, digest_size=16).hexdigest()}"',
        "Cache-Control": "private, no-cache, no-transform",
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition(file_filename(item.path)),
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
