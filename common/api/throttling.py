"""Throttles: reads and writes are counted apart, for each token, else user, else network address."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from django.core.cache import cache
from django.db import Error
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:
    # The framework's views import this module, by its name in the settings.
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class WindowThrottle(SimpleRateThrottle):
    """Counts requests in fixed windows of time, in the cache that all processes share.

    The framework's own throttle reads a list, appends and writes it back, so that parallel requests are not
    counted. Here the cache counts: in one step with Redis and in memory; one in the database may miss one of two.
    """

    safe: ClassVar[bool]
    duration: int
    num_requests: int
    _wait = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002  # the framework's signature
        """Count the request; whether it is still within the rate."""
        if (request.method in SAFE_METHODS) is not self.safe:
            return True
        window, elapsed = divmod(self.timer(), self.duration)
        self._wait = self.duration - elapsed
        key = f"throttle:{self.scope}:{self._identity(request)}:{window:.0f}"
        try:
            return self._count(key) <= self.num_requests
        except (RedisError, Error):
            # A caller that cannot be counted is admitted: a full disk or a lost cache keeps nobody from their data.
            logger.warning("a request could not be counted for its throttle", exc_info=True)
            return True

    def wait(self) -> float:
        """Seconds until the next window begins."""
        return self._wait

    def _identity(self, request: Request) -> str:
        if request.auth is not None:
            return f"token:{request.auth.pk}"
        if request.user.is_authenticated:
            return f"user:{request.user.pk}"
        return f"address:{self.get_ident(request)}"

    def _count(self, key: str) -> int:
        try:
            return cache.incr(key)
        except ValueError:
            # The first of its window; or of two first ones the second.
            if cache.add(key, 1, timeout=2 * self.duration):
                return 1
            return cache.incr(key)


class ReadThrottle(WindowThrottle):
    """Counts reads."""

    scope = "read"
    safe = True


class WriteThrottle(WindowThrottle):
    """Counts writes."""

    scope = "write"
    safe = False
