"""Authentication of API requests: a bearer token, or the session of the web pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from django.utils import translation
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.services.sessions import session_user
from accounts.services.tokens import token_authenticate, token_user
from common.api.errors import CsrfFailed

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""Characters of a bearer token (RFC 6750)."""


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <token>`. A malformed or invalid token is an error, never treated as no token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The token's user and the token, or None when no bearer token was sent."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        secret = secret.strip(" ")
        token = token_authenticate(secret) if _TOKEN.fullmatch(secret) else None
        if token is None:
            raise exceptions.AuthenticationFailed
        if token.user.language:
            # Before now only the browser's wish was known; PreferencesMiddleware takes this back with the request.
            translation.activate(token.user.language)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  # the framework's signature
        """The `WWW-Authenticate` header of a 401."""
        return "Bearer"


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of the web pages; every request that may change something must carry its CSRF token."""

    def enforce_csrf(self, request: Any) -> None:
        """Raise CsrfFailed unless the request proves that it comes from our own pages."""
        # Read here, the body is bounded: the check alone would parse a form with files of any size.
        request.body  # noqa: B018  # reading it is the point
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            raise CsrfFailed from None


def caller_key(request: Request) -> tuple[str, object]:
    """The identity that throttles count: the token, else the user."""
    return ("token", request.auth.pk) if request.auth is not None else ("user", request.user.pk)


def caller_look(request: Request) -> Callable[[], User | None]:
    """A look-up of the caller of a request that is still being answered: None once token or session is not valid."""
    if isinstance(request.auth, ApiToken):
        return partial(token_user, token_id=request.auth.id, scopes=request.auth.scopes)
    return partial(session_user, type(request.session), request.session.session_key)


def caller_of(request: Request) -> User:
    """The user who makes the request; `ScopeAllows` has let nobody else in."""
    if not isinstance(request.user, User):
        raise exceptions.NotAuthenticated
    return request.user
