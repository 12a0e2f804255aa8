"""The game holds still: for as long as somebody packs, never longer than it may, and never for ever.

A mark on the disk is there from before the game is told until it surely goes on. Whatever ended the hold, that it goes
on is tried until the game takes it, by the next daemon if this one dies.
"""

import logging
import threading
from typing import Final

from sidecar.game.errors import GameError
from sidecar.game.flag_file import FlagFile
from sidecar.game.profiles import Profile
from sidecar.game.retry import Retry

_log = logging.getLogger("sidecar")

_TROUBLE: Final = (GameError, OSError)


class Hold:
    """One time that the game holds still, shared by those who pack meanwhile."""

    def __init__(self) -> None:
        self.holders = 0
        self.watchdog: threading.Timer | None = None


class Quiescence:
    """Lets the game hold still and go on again."""

    def __init__(self, profile: Profile, mark: FlagFile) -> None:
        self._profile = profile
        self._mark = mark
        self._lock = threading.Lock()
        self._hold: Hold | None = None
        self._retry = Retry(name="letting the game go on", attempt=self._resume_left)

    def recover(self) -> None:
        """Let the game go on if an earlier daemon died while it held still."""
        if self._mark.present():
            _log.warning("the game was left holding still: it is told to go on")
            self._retry.begin()

    def enter(self) -> Hold | None:
        """Let the game hold still until `leave`; None when it does not, for which the log has the reason."""
        with self._lock:
            if self._hold is None:
                self._hold = self._begin()
            if self._hold is not None:
                self._hold.holders += 1
            return self._hold

    def leave(self, hold: Hold) -> bool:
        """Let the game go on, unless others need it still. Returns whether it has held still until now."""
        with self._lock:
            hold.holders -= 1
            if hold is not self._hold:
                return False
            return self._end() if hold.holders == 0 else True

    def finish(self) -> None:
        """Let the game go on, once more if need be; what fails now is for the next daemon."""
        with self._lock:
            if self._hold is not None:
                self._end()
        self._retry.finish()

    def _begin(self) -> Hold | None:
        if self._mark.present() and not self._resumed():
            # The hold that is still to be taken back could be so at any moment of the next.
            return None
        try:
            self._profile.quiesce(before=self._mark.set)
        except _TROUBLE as error:
            _log.warning("the game does not hold still, and is packed as it runs: %s", error)
            if self._mark.present():
                self._resumed()
            return None
        hold = Hold()
        hold.watchdog = threading.Timer(self._profile.settings.quiesce_max_seconds, self._expire, args=(hold,))
        hold.watchdog.daemon = True
        hold.watchdog.start()
        return hold

    def _end(self) -> bool:
        hold, self._hold = self._hold, None
        if hold is not None and hold.watchdog is not None:
            hold.watchdog.cancel()
        return self._resumed()

    def _expire(self, hold: Hold) -> None:
        with self._lock:
            if hold is self._hold:
                _log.warning("the game has held still for as long as it may: it goes on while it is being packed")
                self._end()

    def _resumed(self) -> bool:
        """Let the game go on, now or soon. Returns whether it does now, and had held still until now."""
        try:
            held = self._profile.resume()
            self._mark.clear()
        except _TROUBLE as error:
            _log.warning("the game could not be told to go on, which is tried again: %s", error)
            self._retry.begin()
            return False
        if not held:
            _log.warning("the game had gone on by itself")
        return held

    def _resume_left(self) -> bool:
        with self._lock:
            if self._hold is not None or not self._mark.present():
                return True
            try:
                self._profile.resume()
                self._mark.clear()
            except _TROUBLE as error:
                _log.warning("the game still could not be told to go on: %s", error)
                return False
        _log.info("the game goes on")
        return True
