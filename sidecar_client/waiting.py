"""Waiting for a sidecar without waiting for ever: a cancel is seen within a second, a stall ends the wait."""

import threading
import time
from collections.abc import Callable
from typing import Final

from sidecar_client.errors import Cancelled, SidecarUnavailable

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

    def check_cancelled(self) -> None:
        """Raise `Cancelled` when the caller says so, asking when the last answer is no longer fresh."""
        now = time.monotonic()
        if now - self._asked < _POLL_SECONDS:
            return
        self._asked = now
        if self._cancelled():
            raise Cancelled("The operation was cancelled.")

    def wait(self, changed: threading.Condition, ready: Callable[[], bool]) -> None:
        """Wait for `ready`, asked at every notification. Raises `Cancelled` and `SidecarUnavailable`."""
        # Time the caller spent elsewhere, with nothing read, says nothing about the sidecar.
        began = time.monotonic()
        while True:
            with changed:
                if changed.wait_for(ready, timeout=_POLL_SECONDS):
                    return
            self.check_cancelled()
            if time.monotonic() - max(began, self._last_life) > self._stall:
                raise SidecarUnavailable("The sidecar has stopped sending.")
