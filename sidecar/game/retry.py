"""An action that is retried until it succeeds."""

import threading
from collections.abc import Callable
from typing import Final

_FIRST_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 30.0
_GOODBYE_SECONDS: Final = 2.0


class RetryLoop:
    """Calls `attempt` in a thread of its own until it returns True: at once, then after ever longer pauses."""

    def __init__(self, *, name: str, attempt: Callable[[], bool]) -> None:
        self._name = name
        self._attempt = attempt
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None
        self._finished = threading.Event()

    def begin(self) -> None:
        """Request the action; returns at once."""
        with self._lock:
            self._wanted = True
            if self._thread is None and not self._finished.is_set():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Stop retrying."""
        self._finished.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_GOODBYE_SECONDS)

    def _run(self) -> None:
        pause = _FIRST_SECONDS
        while self._takes_up():
            while not self._attempt():
                if self._finished.wait(pause):
                    return
                pause = min(2 * pause, _LONGEST_SECONDS)
            pause = _FIRST_SECONDS

    def _takes_up(self) -> bool:
        """Whether the action was requested again; if not, this thread ends and the next `begin` starts a new one."""
        with self._lock:
            wanted, self._wanted = self._wanted, False
            if not wanted:
                self._thread = None
            return wanted
