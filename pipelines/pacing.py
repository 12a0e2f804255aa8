"""A limit of bytes a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_PAUSE_SECONDS: Final = 0.2
_BURST_SECONDS: Final = 0.1


class Bandwidth:
    """The bytes that all its users together may move a second; without a limit when it is 0."""

    def __init__(self, bytes_a_second: int = 0) -> None:
        self._rate = bytes_a_second
        self._lock = threading.Lock()
        self._free_at = 0.0

    def take(self, count: int, *, check: Callable[[], object]) -> None:
        """Wait until `count` bytes may be moved. `check` is called meanwhile; its error ends the wait."""
        if not self._rate:
            return
        with self._lock:
            begin = max(self._free_at, time.monotonic() - _BURST_SECONDS)
            self._free_at = until = begin + count / self._rate
        while (seconds := until - time.monotonic()) > 0:
            check()
            time.sleep(min(seconds, _PAUSE_SECONDS))  # the pace itself; a cancel is looked for between


NO_LIMIT: Final = Bandwidth()
