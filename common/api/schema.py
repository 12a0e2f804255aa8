"""Parts of the OpenAPI description that all endpoints share: errors and pages."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from common.api.idempotency import HEADER
from common.api.problems import CONTENT_TYPE
from common.errors import ApplicationError, NotAuthenticated, PermissionDenied, Throttled
from common.paging import CURSOR

CURSOR_PARAMETER = OpenApiParameter(
    CURSOR, OpenApiTypes.STR, description="A place in the list; take it from `next` or `previous`."
)
IDEMPOTENCY_PARAMETER = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters. For 24 hours the same key makes nothing twice.",
)


class Problem(serializers.Serializer[Any]):
    """An error, as RFC 9457 has it."""

    type = serializers.CharField(help_text="A URI that names this kind of error.")
    title = serializers.CharField(help_text="What happened, in a few words of the reader's language.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What happened, what is safe, what to do next.")
    code = serializers.CharField(help_text="The stable name of this error, for programs.")
    request_id = serializers.CharField(help_text="What to tell support.")
    errors = serializers.DictField(  # type: ignore[assignment]  # the field's name is the contract's
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="With validation_error: the mistakes by field; `body` is the body as a whole.",
    )


def problems(*errors: type[ApplicationError]) -> dict[tuple[int, str], OpenApiResponse]:
    """The error responses of an endpoint: those given, and those that every endpoint has."""
    codes: dict[int, list[str]] = defaultdict(list)
    every: list[type[ApplicationError]] = [NotAuthenticated, PermissionDenied, *errors, Throttled]
    for error in every:
        codes[error.status].append(f"`{error.code}`")
    return {
        (status, CONTENT_TYPE): OpenApiResponse(Problem, description=", ".join(names))
        for status, names in sorted(codes.items())
    }


def page_of(item: type[serializers.Serializer[Any]], *, name: str) -> type[serializers.Serializer[Any]]:
    """The serializer class of a list's page; `name` is the name of its schema."""
    fields = {
        "__doc__": "A page of a list.",
        "next": serializers.URLField(allow_null=True, help_text="The page of older ones."),
        "previous": serializers.URLField(allow_null=True, help_text="The page of newer ones."),
        "results": item(many=True),
    }
    return type(name, (serializers.Serializer,), fields)
