"""Waits for a sidecar: a cancel is noticed within a second, and a stall ends the wait."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from pipelines.pipe import TimedOut
from sidecar_client.errors import Cancelled, SidecarUnavailable

T = TypeVar("T")

_POLL_SECONDS: Final = 0.4


class Patience:
    """The stall timeout and the cancel of one stream; `cancelled` may cost a query, so its calls are limited."""

    def __init__(self, *, stall: float, cancelled: Callable[[], bool]) -> None:
        self._stall = stall
        self._cancelled = cancelled
        self._asked = time.monotonic()
        self._last_life = self._asked

    def alive(self) -> None:
        """Restart the stall timeout, since the other side has just sent something."""
        self._last_life = time.monotonic()

    def wait(self, step: Callable[[float], T]) -> T:
        """Call `step` with a number of seconds until it no longer raises `TimedOut`; return its result.

        Raises `Cancelled`, and `SidecarUnavailable` after a stall.
        """
        # Time that the caller spent without reading does not count against the sidecar.
        began = time.monotonic()
        while True:
            self._check_cancelled()
            with suppress(TimedOut):
                return step(_POLL_SECONDS)
            if time.monotonic() - max(began, self._last_life) > self._stall:
                raise SidecarUnavailable("The sidecar has stopped sending.")

    def _check_cancelled(self) -> None:
        """Call `cancelled` again if its last answer is too old. Raises `Cancelled`."""
        now = time.monotonic()
        if now - self._asked < _POLL_SECONDS:
            return
        self._asked = now
        if self._cancelled():
            raise Cancelled("The operation was cancelled.")
