"""Middleware of every request: language and time zone of its reader, cache privacy, the session's last use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import unquote

from allauth.usersessions.models import UserSession
from django.core.cache import caches
from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.timezone import get_default_timezone

from accounts.models import User
from accounts.preferences import time_zone_find

logger = logging.getLogger(__name__)

Answer = Callable[[HttpRequest], HttpResponseBase]

TIME_ZONE_COOKIE = "tz"
"""Where our script tells the browser's time zone."""

SEEN_EVERY_SECONDS = 60
"""How exact “last seen” is: a row is not written on each request."""


class PrivateMiddleware:
    """Sets `private, no-cache` on answers without a Cache-Control of their own: no cache shares personal pages."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        response = self._get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class PreferencesMiddleware:
    """Activates the reader's language and time zone: their own choice, else their browser's.

    Everything that is activated meanwhile, also by the API for the user of a token, ends with the request.
    """

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request as its user wants to read it."""
        user = _reader(request)
        chosen = user.language if user else ""
        zone = (user and time_zone_find(user.time_zone)) or time_zone_find(_browser_zone(request))
        # LocaleMiddleware has activated the browser's language.
        with (
            translation.override(chosen or translation.get_language()),
            timezone.override(zone or get_default_timezone()),
        ):
            request.LANGUAGE_CODE = translation.get_language()
            response = self._get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language())
        return response


class SeenMiddleware:
    """Notes where and when a session was last seen.

    allauth's own middleware writes a row on every request, which here means every three seconds for an open page.
    """

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; a sign-in or sign-out is not recorded."""
        key = request.session.session_key
        if key and _reader(request) and caches["process"].add(f"session-seen:{key}", True, SEEN_EVERY_SECONDS):
            try:
                UserSession.objects.create_from_request(request)
            except Error:
                logger.warning("a session could not be noted as seen", exc_info=True)
        return self._get_response(request)


def _reader(request: HttpRequest) -> User | None:
    """The signed-in user; None while the database does not answer, so that the page that reports it can be shown."""
    try:
        return request.user if isinstance(request.user, User) else None
    except Error:
        return None


def _browser_zone(request: HttpRequest) -> str:
    return unquote(request.COOKIES.get(TIME_ZONE_COOKIE, ""))
