"""The id of each request, by which a customer's report finds its line in the logs."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "X-Request-ID"


class RequestIdMiddleware:
    """Gives each request an id of its own, and says it in the response. An id that a client sends is not used."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request under a new id."""
        request.request_id = uuid4().hex  # type: ignore[attr-defined]  # read by common.api.problems
        response = self._get_response(request)
        response.headers[HEADER] = request.request_id  # type: ignore[attr-defined]
        return response
