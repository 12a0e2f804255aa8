"""Looks at intervals whether the game runs, and counts its starts and ends.

An end that the sidecar asked for, for a restore, does not count, nor does the start after it. What is known is kept on
disk, so that an end while the daemon was down is counted by the next one.
"""

import json
import logging
import os
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from sidecar.game.profiles import Profile
from sidecar.game.server import GameServer

_log = logging.getLogger("sidecar")

_GOODBYE_SECONDS: Final = 2.0
_COUNT_MAX: Final = 2**63 - 1
_TYPES: Final = {"counters": str, "running": bool, "starts": int, "ends": int, "asked": bool, "changed_at_ns": int}


@dataclass(frozen=True, slots=True)
class GameSeen:
    """What the looks have found so far.

    counters: an id of the two counts: they begin anew, under another one, when the file is lost. running: at the last
    look that had an answer. starts, ends: those that the sidecar did not ask for. asked: the sidecar has stopped the
    game, and has not seen it run since. changed_at_ns: the last change of `running`, in ns since 1970.
    """

    counters: str
    running: bool
    starts: int = 0
    ends: int = 0
    asked: bool = False
    changed_at_ns: int = 0


class GameWatch:
    """The looks at one game, in a thread of their own: one command at a time, which its timeout ends."""

    def __init__(self, profile: Profile, server: GameServer, path: Path) -> None:
        self._profile = profile
        self._server = server
        self._path = path
        self._finished = threading.Event()
        self._thread: threading.Thread | None = None
        self._stops = server.stops
        self._was_known = True
        self.seen = _read(path)
        """None before the first look that had an answer."""
        if self.seen is not None and server.stopped_it:
            # An earlier daemon told the game to stop, and died.
            self.seen = replace(self.seen, asked=True)

    def begin(self) -> None:
        """Start to look, if the configuration wants that."""
        settings = self._profile.settings
        if not settings.running_command or not settings.watch_seconds:
            self.seen = None
            return
        self._thread = threading.Thread(target=self._run, name="watching the game", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Stop looking."""
        self._finished.set()
        if self._thread is not None:
            self._thread.join(_GOODBYE_SECONDS)

    def look(self) -> None:
        """Look once, and keep what has changed."""
        before = self._server.stopped_it
        running = self._profile.running(quietly=True)
        if running is None:
            # The command failed or hung: that says nothing about the game.
            if self._was_known:
                _log.warning("whether the game runs is unknown: running_command gives no answer")
            self._was_known = False
            return
        self._was_known = True
        # A stop that began during the look is asked for as well.
        stops, stopped_it = self._server.stops, before or self._server.stopped_it
        told, self._stops = stopped_it or stops != self._stops, stops
        self._keep(_after(self.seen, running=running, told=told))

    def _run(self) -> None:
        while True:
            self.look()
            if self._finished.wait(self._profile.settings.watch_seconds):
                return

    def _keep(self, seen: GameSeen) -> None:
        if seen == self.seen:
            return
        if self.seen is not None and seen.ends != self.seen.ends:
            _log.warning("the game ended, and the sidecar had not asked for that")
        self.seen = seen
        _write(self._path, seen)


def _after(seen: GameSeen | None, *, running: bool, told: bool) -> GameSeen:
    """What is known after a look; `told`: the sidecar has told the game to stop since the last look."""
    if seen is None:
        return GameSeen(uuid.uuid4().hex, running, asked=told, changed_at_ns=time.time_ns())
    asked = seen.asked or told
    if running == seen.running:
        return replace(seen, asked=told if running else asked)
    return replace(
        seen,
        running=running,
        starts=seen.starts + (running and not asked),
        ends=seen.ends + (not running and not asked),
        # It may not have begun to stop yet.
        asked=told if running else asked,
        changed_at_ns=time.time_ns(),
    )


def _read(path: Path) -> GameSeen | None:
    """What an earlier daemon kept; a damaged file is as good as none."""
    try:
        seen = _checked(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("what was known of the game is lost, and its starts and ends are counted anew: %s", error)
        return None
    return seen


def _checked(values: Any) -> GameSeen:
    if not isinstance(values, dict) or {name: type(value) for name, value in values.items()} != _TYPES:
        raise ValueError("other values than it should have")
    seen = GameSeen(**values)
    if not all(0 <= number <= _COUNT_MAX for number in (seen.starts, seen.ends, seen.changed_at_ns)):
        raise ValueError("a number out of range")
    return seen


def _write(path: Path, seen: GameSeen) -> None:
    written = path.with_suffix(".new")
    try:
        with written.open("w", encoding="ascii") as file:
            json.dump(asdict(seen), file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except OSError as error:
        # A full disk must not end the watch. The counts are lost only if the daemon restarts now.
        _log.warning("what is known of the game could not be written: %s", error.strerror)
        with suppress(OSError):
            written.unlink(missing_ok=True)
