"""Pages of lists: newest first, by a cursor that stays right while rows come and go."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from common.errors import ValidationError

if TYPE_CHECKING:
    # The framework's views import this module, by its name in the settings.
    from rest_framework.views import APIView

PAGE_SIZE = 100
CURSOR = "cursor"
_OLDER, _NEWER = "o", "n"


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A place in the order, and which side of it is wanted."""

    side: str
    created_at: datetime
    id: UUID

    @classmethod
    def parse(cls, text: str) -> _Cursor:
        """Raises ValidationError for anything this module did not write."""
        try:
            side, moment, row_id = base64.urlsafe_b64decode(text).decode("ascii").split(" ")
            cursor = cls(side, datetime.fromisoformat(moment).astimezone(UTC), UUID(row_id))
        except (ValueError, OverflowError):
            cursor = None
        if cursor is None or cursor.side not in (_OLDER, _NEWER):
            raise ValidationError(errors={CURSOR: [_("This is no cursor of this list.")]})
        return cursor

    def __str__(self) -> str:
        text = f"{self.side} {self.created_at.isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii")

    def rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows on the wanted side, the nearest first."""
        if self.side == _OLDER:
            beyond = Q(created_at__lt=self.created_at) | Q(id__lt=self.id)
            return rows.filter(beyond, created_at__lte=self.created_at).order_by("-created_at", "-id")
        beyond = Q(created_at__gt=self.created_at) | Q(id__gt=self.id)
        return rows.filter(beyond, created_at__gte=self.created_at).order_by("created_at", "id")


class NewestFirst(BasePagination):
    """Pages of rows with `created_at` and `id`.

    The framework's cursors know the time alone, and never end where a page's worth of rows shares one.
    """

    _next: str | None = None
    _previous: str | None = None

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,
        view: APIView | None = None,  # noqa: ARG002  # the framework's signature
    ) -> list[Any]:
        """The rows of the page that the request's cursor names, or the first. Raises ValidationError."""
        text = request.query_params.get(CURSOR)
        cursor = _Cursor.parse(text) if text else None
        rows = cursor.rows(queryset) if cursor else queryset.order_by("-created_at", "-id")
        found = list(rows[: PAGE_SIZE + 1])
        more, page = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
        backwards = cursor is not None and cursor.side == _NEWER
        if backwards:
            page.reverse()
        if page and (more or backwards):
            self._next = self._link(request, _Cursor(_OLDER, page[-1].created_at, page[-1].id))
        if page and cursor is not None and (more or not backwards):
            self._previous = self._link(request, _Cursor(_NEWER, page[0].created_at, page[0].id))
        return page

    def get_paginated_response(self, data: Any) -> Response:
        """The page as every list of this API is shown."""
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def _link(self, request: Request, cursor: _Cursor) -> str:
        return str(replace_query_param(request.build_absolute_uri(), CURSOR, str(cursor)))


def whole_list(data: list[Any]) -> Response:
    """A list that is never long, as its only page."""
    return Response({"next": None, "previous": None, "results": data})
