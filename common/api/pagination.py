"""Pages of lists as the API shows them: `next`, `previous`, `results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from common.paging import CURSOR, page_read

if TYPE_CHECKING:
    # The framework's views import this module, by its name in the settings.
    from rest_framework.views import APIView

PAGE_SIZE = 100


class NewestFirst(BasePagination):
    """Pages of rows, newest first. by: the column of their time, besides `id`."""

    by = "created_at"
    _next: str | None = None
    _previous: str | None = None

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,
        view: APIView | None = None,  # noqa: ARG002  # the framework's signature
    ) -> list[Any]:
        """The rows of the page that the request's cursor names, or the first. Raises ValidationError."""
        page = page_read(queryset, cursor=request.query_params.get(CURSOR), size=PAGE_SIZE, by=self.by)
        self._next, self._previous = _link(request, page.older), _link(request, page.newer)
        return page.rows

    def get_paginated_response(self, data: Any) -> Response:
        """The page as every list of this API is shown."""
        return Response({"next": self._next, "previous": self._previous, "results": data})


def whole_list(data: list[Any]) -> Response:
    """A list that is never long, as its only page."""
    return Response({"next": None, "previous": None, "results": data})


def _link(request: Request, cursor: str | None) -> str | None:
    return str(replace_query_param(request.build_absolute_uri(), CURSOR, cursor)) if cursor else None
