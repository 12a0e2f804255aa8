"""Waiting for a sidecar without waiting for ever: a cancel is seen within a second, a stall ends the wait."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from pipelines.pipe import TimedOut
from sidecar_client.errors import Cancelled, SidecarUnavailable

T = TypeVar("T")

_POLL_SECONDS: Final = 0.4


class Patience:
    """How long one stream may be waited for; `cancelled` may cost a query, so it is not asked too often."""

    def __init__(self, *, stall: float, cancelled: Callable[[], bool]) -> None:
        self._stall = stall
        self._cancelled = cancelled
        self._asked = time.monotonic()
        self._last_life = self._asked

    def alive(self) -> None:
        """The other side gave a sign of life just now."""
        self._last_life = time.monotonic()

    def wait(self, step: Callable[[float], T]) -> T:
        """The result of `step`, tried until it does not raise `TimedOut` after the seconds that it is given.

        Raises `Cancelled` and `SidecarUnavailable`.
        """
        # Time the caller spent elsewhere, with nothing read, says nothing about the sidecar.
        began = time.monotonic()
        while True:
            self._check_cancelled()
            with suppress(TimedOut):
                return step(_POLL_SECONDS)
            if time.monotonic() - max(began, self._last_life) > self._stall:
                raise SidecarUnavailable("The sidecar has stopped sending.")

    def _check_cancelled(self) -> None:
        """Ask the caller when the last answer is no longer fresh."""
        now = time.monotonic()
        if now - self._asked < _POLL_SECONDS:
            return
        self._asked = now
        if self._cancelled():
            raise Cancelled("The operation was cancelled.")
