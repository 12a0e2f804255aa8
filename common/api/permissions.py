"""Scopes of tokens: a view declares the scopes of each method; a method without a declaration is denied."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from common.errors import PermissionDenied

if TYPE_CHECKING:
    # The framework's views import this module, by its name in the settings.
    from rest_framework.views import APIView

Scopes = frozenset[str]
"""Scopes of which any one lets a request in; a view that needs a particular one of them asks `scope_require`."""


class ScopeAllows(BasePermission):
    """Admits a request with a known caller whose token, if it has one, has a scope that the view declares.

    A view declares `scopes = {"GET": frozenset({…})}`; a method, or a whole view, that declares none is denied.
    Rights on the object are checked by the services, not here.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the request may reach the view at all. An anonymous caller is then answered with 401."""
        if not request.user.is_authenticated:
            return False
        method = "GET" if request.method == "HEAD" else str(request.method)
        declared = getattr(view, "scopes", {}).get(method)
        if declared is None:
            if method not in view.allowed_methods:
                raise MethodNotAllowed(method)
            return False
        return _token_has_any(request, declared)


def scope_require(request: Request, scope: str) -> None:
    """Raise PermissionDenied when the caller's token is narrowed to scopes without this one."""
    if not _token_has_any(request, {scope}):
        raise PermissionDenied


def _token_has_any(request: Request, scopes: Collection[str]) -> bool:
    # A session has no token; a token without scopes has all rights of its user.
    granted: Collection[str] = getattr(request.auth, "scopes", ())
    return not granted or any(scope in granted for scope in scopes)
