"""Quiescence: the game holds still while its files are packed, at most for a configured time.

A mark on the disk exists from before the game is told to hold still until it has certainly resumed. Resuming is
retried until the game accepts it, by the next daemon if this one dies.
"""

import logging
import threading
from typing import Final

from sidecar.game.errors import GameError
from sidecar.game.flag_file import FlagFile
from sidecar.game.profiles import Profile
from sidecar.game.retry import RetryLoop

_log = logging.getLogger("sidecar")

_TROUBLE: Final = (GameError, OSError)


class QuiesceHold:
    """One period of quiescence, shared by the backups that pack meanwhile."""

    def __init__(self) -> None:
        self.holders = 0
        self.watchdog: threading.Timer | None = None


class Quiescence:
    """Quiesces and resumes the game."""

    def __init__(self, profile: Profile, mark: FlagFile) -> None:
        self._profile = profile
        self._mark = mark
        self._lock = threading.Lock()
        self._hold: QuiesceHold | None = None
        self._retry = RetryLoop(name="letting the game go on", attempt=self._resume_left)

    def recover(self) -> None:
        """Resume the game if an earlier daemon died while it was quiesced."""
        if self._mark.present():
            _log.warning("an earlier run left the game quiesced: resuming it")
            self._retry.begin()

    def enter(self) -> QuiesceHold | None:
        """Quiesce the game until `leave`; None, with the reason in the log, if that fails."""
        with self._lock:
            if self._hold is None:
                self._hold = self._begin()
            if self._hold is not None:
                self._hold.holders += 1
            return self._hold

    def leave(self, hold: QuiesceHold) -> bool:
        """Resume the game unless other backups still pack. Returns whether it stayed quiesced until now."""
        with self._lock:
            hold.holders -= 1
            if hold is not self._hold:
                return False
            return self._end() if hold.holders == 0 else True

    def finish(self) -> None:
        """Resume the game, with one more attempt if needed; the next daemon retries a failure."""
        with self._lock:
            if self._hold is not None:
                self._end()
        self._retry.finish()

    def _begin(self) -> QuiesceHold | None:
        if self._mark.present() and not self._resumed():
            # The pending resume of the last period could succeed at any moment of a new one.
            return None
        try:
            self._profile.quiesce(before=self._mark.set)
        except _TROUBLE as error:
            _log.warning("the game cannot be quiesced and is packed while it runs: %s", error)
            if self._mark.present():
                self._resumed()
            return None
        hold = QuiesceHold()
        hold.watchdog = threading.Timer(self._profile.settings.quiesce_max_seconds, self._expire, args=(hold,))
        hold.watchdog.daemon = True
        hold.watchdog.start()
        return hold

    def _end(self) -> bool:
        hold, self._hold = self._hold, None
        if hold is not None and hold.watchdog is not None:
            hold.watchdog.cancel()
        return self._resumed()

    def _expire(self, hold: QuiesceHold) -> None:
        with self._lock:
            if hold is self._hold:
                _log.warning("quiesce_max_seconds have passed: the game is resumed while it is being packed")
                self._end()

    def _resumed(self) -> bool:
        """Resume the game, now or by retries. Returns whether it resumed now and had stayed quiesced until now."""
        try:
            held = self._profile.resume()
            self._mark.clear()
        except _TROUBLE as error:
            _log.warning("the game could not be resumed, retrying: %s", error)
            self._retry.begin()
            return False
        if not held:
            _log.warning("the game had resumed by itself")
        return held

    def _resume_left(self) -> bool:
        with self._lock:
            if self._hold is not None or not self._mark.present():
                return True
            try:
                self._profile.resume()
                self._mark.clear()
            except _TROUBLE as error:
                _log.warning("the game still could not be resumed: %s", error)
                return False
        _log.info("the game was resumed")
        return True
