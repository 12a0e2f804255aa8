"""Answers to requests that no view answered: below the API problems, elsewhere Django's own pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from common.api.problems import problem_response
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
    """A failure outside of the views, which Django has logged."""
    if request.path.startswith(API):
        return problem_response(ApplicationError(), request=request)
    return defaults.server_error(request)
