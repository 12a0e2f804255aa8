"""The base of every API view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.api.fields import StrictSerializer
from common.api.permissions import Scopes
from common.api.problems import BODY, problem_response
from common.errors import NotFound, ValidationError


class ApiView(APIView):
    """A thin adapter: reads a request strictly, calls one service or selector, shows the result.

    scopes: for each method the token scopes that let it in; see `common.api.permissions`.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    scopes: ClassVar[Mapping[str, Scopes]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Everything that comes before the method itself."""
        try:
            super().initial(request, *args, **kwargs)
        except (exceptions.NotAuthenticated, exceptions.AuthenticationFailed):
            # The framework counts only admitted requests: then guessing tokens would cost nothing.
            self.check_throttles(request)
            raise
        # The body is read only after the caller is known and counted. Read here, its size is bounded.
        request.body  # noqa: B018  # reading it is the point

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """The response with the headers that all have."""
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return super().finalize_response(request, response, *args, **kwargs)


def body_read(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """The validated fields of a request's JSON; no body at all is an empty object. Raises ValidationError."""
    try:
        data = request.data if request.body else {}
    except RecursionError:
        raise ValidationError(errors={BODY: [_("This is nested too deeply.")]}) from None
    read = serializer(data=data)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


@csrf_exempt
def unknown_address(request: HttpRequest) -> HttpResponse:
    """Answer every address below the API that has no view, whatever the method."""
    return problem_response(NotFound(), request=request)
