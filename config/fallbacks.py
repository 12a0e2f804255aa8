"""Answers to requests that no view answered: problem documents below the API, elsewhere pages that need no database."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from common.api.problems import problem_response
from common.dependencies import dependency_error
from common.errors import ApplicationError, NotFound, PermissionDenied, ValidationError

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that is refused before it reaches a view."""
    if request.path.startswith(API):
        return problem_response(ValidationError(), request=request)
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that is not allowed."""
    if request.path.startswith(API):
        return problem_response(PermissionDenied(), request=request)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address without a view."""
    if request.path.startswith(API):
        return problem_response(NotFound(), request=request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """A failure that no view has answered, on any route: Django calls this while it handles the exception."""
    error = dependency_error(sys.exc_info()[1])
    if request.path.startswith(API):
        return problem_response(error or ApplicationError(), request=request)
    if error is None:
        return defaults.server_error(request)
    return HttpResponse(render_to_string("503.html", {"error": error}), status=error.status)
