"""Middleware of every request: an id, a bounded size, refusals as pages."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from common.api.problems import request_id_of
from common.dependencies import RETRY_SECONDS
from common.errors import ApplicationError
from config.fallbacks import API

HEADER = "X-Request-ID"
NOT_UNDERSTOOD = "400.html"


class RequestIdMiddleware:
    """Gives each request an id of its own, and returns it in the response. An id from the client is ignored."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request under a new id."""
        request.request_id = uuid4().hex  # type: ignore[attr-defined]  # read by common.api.problems
        response = self._get_response(request)
        response.headers[HEADER] = request.request_id  # type: ignore[attr-defined]
        return response


class RetryMiddleware:
    """Adds `Retry-After` to every answer 503."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        response = self._get_response(request)
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers.setdefault("Retry-After", str(RETRY_SECONDS))
        return response


class EmptyMiddleware:
    """Removes the headers of a body from a 204 and a 304, to which Django gives the length 0 (RFC 9110, 8.6)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        response = self._get_response(request)
        if response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            for name in ("Content-Length", "Content-Type"):
                response.headers.pop(name, None)
        return response


class BodyMiddleware:
    """Refuses a form that is too large before anything reads it.

    Django bounds its fields alone: files go to the disk, of any size, so that the CSRF token is found among them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request. The API reads, and bounds, the bodies of its requests itself."""
        if _length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and not request.path.startswith(API):
            return HttpResponse(render_to_string(NOT_UNDERSTOOD), status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self._get_response(request)


class RefusalMiddleware:
    """Answers with a page where no view has: an expected failure, or a method that the page does not have."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        response = self._get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and request.method == "GET" and not response.content:
            # A user whose POST led to the sign-in returns to its address with a GET, which would show nothing.
            response.content = render_to_string(NOT_UNDERSTOOD)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """The page; None leaves an unexpected exception to Django, which logs it."""
        if not isinstance(exception, ApplicationError):
            return None
        context = {"error": exception, "home": "/", "request_id": request_id_of(request)}
        return render(request, "error.html", context, status=exception.status)


def _length(request: HttpRequest) -> int:
    """The bytes that are announced; Django reads no more than these, and none of a body that announces nothing."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
