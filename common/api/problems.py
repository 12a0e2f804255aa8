"""Every error as one shape: application/problem+json (RFC 9457) with a stable code and the request's id."""

from __future__ import annotations

import logging
import math
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.settings import api_settings

from common.api.errors import RangeNotSatisfiable, RequestTooLarge
from common.dependencies import dependency_error
from common.errors import (
    ApplicationError,
    MethodNotAllowed,
    NotAcceptable,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    Throttled,
    UnsupportedMediaType,
    ValidationError,
)

CONTENT_TYPE = "application/problem+json"
BODY = "body"
"""Under this name stand the mistakes of the request's body as a whole."""

logger = logging.getLogger(__name__)

_OF_FRAMEWORKS: tuple[tuple[type[Exception], type[ApplicationError]], ...] = (
    (exceptions.NotAuthenticated, NotAuthenticated),
    (exceptions.AuthenticationFailed, NotAuthenticated),
    (exceptions.PermissionDenied, PermissionDenied),
    (DjangoPermissionDenied, PermissionDenied),
    (exceptions.NotFound, NotFound),
    (Http404, NotFound),
    (exceptions.MethodNotAllowed, MethodNotAllowed),
    (exceptions.NotAcceptable, NotAcceptable),
    (exceptions.UnsupportedMediaType, UnsupportedMediaType),
    (RequestDataTooBig, RequestTooLarge),
    (SuspiciousOperation, ValidationError),
    (UnreadablePostError, ValidationError),
)


def exception_handler(exc: Exception, context: dict[str, Any]) -> JsonResponse:
    """Answer any exception of an API view. An unexpected one is logged, and its answer gives no details."""
    request: Request = context["request"]
    return problem_response(error_of(exc, request=request), request=request)


def error_of(exc: Exception, *, request: HttpRequest | Request) -> ApplicationError:
    """The product's own error for an exception; an unexpected one is logged and becomes `internal`."""
    if isinstance(exc, ApplicationError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return ValidationError(errors=_field_errors(exc.detail))
    if isinstance(exc, exceptions.ParseError):
        return ValidationError(errors={BODY: [str(exc.detail)]})
    if isinstance(exc, exceptions.Throttled):
        return Throttled(wait=max(1, math.ceil(getattr(exc, "wait", None) or 0)))
    for theirs, ours in _OF_FRAMEWORKS:
        if isinstance(exc, theirs):
            return ours()
    # The log's filter leaves of a dependency that is away the cause alone.
    logger.error("request %s failed", request_id_of(request), exc_info=exc)
    return dependency_error(exc) or ApplicationError()


def problem_response(error: ApplicationError, *, request: HttpRequest | Request) -> JsonResponse:
    """The error as a response, in the active language."""
    body: dict[str, object] = {
        "type": f"urn:savepoint:problem:{error.code}",
        "title": str(error.title),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id_of(request),
    }
    if isinstance(error, ValidationError):
        body["errors"] = error.errors
    return JsonResponse(body, status=error.status, content_type=CONTENT_TYPE, headers=_headers(error))


def request_id_of(request: HttpRequest | Request) -> str:
    """The id under which a request stands in the logs."""
    return str(getattr(request, "request_id", ""))


def _headers(error: ApplicationError) -> dict[str, str]:
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, Throttled):
        return {"Retry-After": str(error.params["wait"])}
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.params['size']}"}
    return {}


def _field_errors(detail: Any) -> dict[str, list[str]]:
    fields = detail if isinstance(detail, dict) else {api_settings.NON_FIELD_ERRORS_KEY: detail}
    return {
        BODY if field == api_settings.NON_FIELD_ERRORS_KEY else str(field): [str(message) for message in messages]
        for field, messages in fields.items()
    }
