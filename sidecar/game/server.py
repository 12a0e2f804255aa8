"""The game server stops while a restore exchanges names, and starts again afterwards if it ran before.

A mark on the disk exists from before the server is told to stop until it runs again, by the next daemon if needed.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sidecar.errors import Cancelled, ServerNotStopped
from sidecar.game.errors import GameError
from sidecar.game.flag_file import FlagFile
from sidecar.game.profiles import Profile
from sidecar.game.retry import RetryLoop
from wire.enums import ServerControl

_log = logging.getLogger("sidecar")

_LOOK_SECONDS: Final = 0.25
_TROUBLE: Final = (GameError, OSError)


class GameServer:
    """Stops the server and starts it again; one exchange at a time."""

    def __init__(self, profile: Profile, mark: FlagFile) -> None:
        self._profile = profile
        self._mark = mark
        self._lock = threading.Lock()
        self._exchanging = False
        # A server that was told to stop may still be shutting down until this time.
        self._stopping_until = 0.0
        self.stops = 0
        """The number of times that this daemon told the server to stop."""
        self._settled: Callable[[], bool] = lambda: True
        self._retry = RetryLoop(name="starting the game", attempt=self._start_left)

    def recover(self, *, settled: Callable[[], bool]) -> None:
        """Start the server if an earlier daemon died with it stopped, as soon as its data is whole (`settled`)."""
        if not self._mark.present():
            return
        if not self._profile.can_stop:
            _log.error("the game server was left stopped, and the configuration no longer says how to start it")
            return
        self._settled = settled
        _log.warning("the game server was left stopped: starting it")
        self._stopping_until = time.monotonic() + self._profile.settings.stop_seconds
        self._retry.begin()

    @property
    def stopped_it(self) -> bool:
        """Whether the server was told to stop and is not yet known to run again."""
        return self._mark.present()

    def require(self, control: ServerControl) -> None:
        """Raise ServerNotStopped when the server must be stopped but no command for that is configured."""
        if control is ServerControl.STOP and not self._profile.can_stop:
            raise ServerNotStopped("The sidecar is not configured to stop the game server.")

    @contextmanager
    def exchange(
        self, control: ServerControl, *, cancelled: Callable[[], bool], settled: Callable[[], bool]
    ) -> Iterator[Callable[[], None]]:
        """Yield a function that stops the server; at the end, start the server again if it ran before.

        The function raises ServerNotStopped, or Cancelled as soon as `cancelled` says so. `settled` tells at the end
        whether the data is whole; if it is not, the start is retried until it is.
        """

        def stop() -> None:
            with self._lock:
                self._exchanging = True
            if control is not ServerControl.LEAVE and self._profile.can_stop:
                self._stop(cancelled)

        try:
            yield stop
        finally:
            with self._lock:
                self._exchanging = False
            self._settled = settled
            if self._mark.present() and not self._start_left():
                self._retry.begin()

    def finish(self) -> None:
        """Stop retrying the start; the next daemon continues."""
        self._retry.finish()

    def _stop(self, cancelled: Callable[[], bool]) -> None:
        if self._profile.running() is False:
            return
        limit = self._profile.settings.stop_seconds
        try:
            self._mark.set()
            self.stops += 1
            self._stopping_until = time.monotonic() + 2 * limit
            deadline = time.monotonic() + limit
            self._profile.stop()
        except _TROUBLE as error:
            _log.warning("the game server could not be stopped: %s", error)
            raise ServerNotStopped("The game server could not be stopped.") from error
        pause = threading.Event()
        while self._profile.running() is not False:
            if cancelled():
                raise Cancelled("The restore was cancelled while the game server was being stopped.")
            if time.monotonic() > deadline:
                raise ServerNotStopped(f"The game server still ran after {limit:g} seconds.")
            pause.wait(_LOOK_SECONDS)
        self._stopping_until = 0.0

    def _start_left(self) -> bool:
        """Start the server if that is still due; returns whether nothing is left to do."""
        with self._lock:
            if self._exchanging or not self._mark.present():
                # An exchange is running, and starts the server at its end.
                return True
            if not self._settled():
                _log.error("the game server stays stopped: the extraction could not be brought to an end")
                return False
            running = self._profile.running()
            if running is None or (running and time.monotonic() < self._stopping_until):
                return False
            try:
                if not running:
                    self._profile.start()
                    _log.info("the game server was started again")
                self._mark.clear()
            except _TROUBLE as error:
                _log.warning("the game server could not be started, retrying: %s", error)
                return False
        return True
