"""Keeps the demo's programs alive, and ends them all with their descendants."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from common.parent_death import orphans_adopt
from demo.processes import Child, Program

STEADY_SECONDS = 10.0
"""A program that dies after running this long is started again at once."""
DELAY_MOST_SECONDS = 3.0
ORPHAN_SECONDS = 5.0
"""How long an orphan that this process adopted has to end by itself."""
STOP_SECONDS, STOP_SERVING_SECONDS = 23.0, 4.0
"""The workers drain for 20 s at most, and the demo has to end within 30 s of the request."""


class StopRequest:
    """Whether SIGTERM, SIGINT or SIGHUP has come since this was made.

    A plain flag, because a signal interrupts its own thread: a handler that takes a lock, as that of an event does,
    waits for ever when this thread holds it.
    """

    def __init__(self) -> None:
        self._made = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._make)

    def _make(self, _number: int, _frame: FrameType | None) -> None:
        self._made = True

    def wait(self, seconds: float) -> bool:
        """Wait that long, and return whether a request has come."""
        if not self._made:
            # The flag is looked at this often: an event would have the lock that the handler must not take.
            time.sleep(seconds)
        return self._made


class Keeper:
    """Holds the programs; call `tend` several times a second, from the thread that made it.

    The kernel sends the parent-death signal when the thread ends that started a child, not when the process does.
    """

    def __init__(self, programs: Sequence[Program], *, logs: Path, say: Callable[[str], None]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        orphans_adopt()
        self._say = say
        self._kept = [_Kept(Child(program, logs=logs, environ=os.environ)) for program in programs]
        self._orphans: dict[int, float] = {}

    def start(self) -> None:
        """Start every program; the logs of the last time are kept beside the new ones."""
        for kept in self._kept:
            with suppress(FileNotFoundError):
                kept.child.log.replace(kept.child.log.with_suffix(".log.1"))
            kept.start()

    def restart(self) -> None:
        """End every program and start it again; the logs are continued."""
        self.stop()
        for kept in self._kept:
            kept.start()

    @property
    def logs(self) -> dict[str, Path]:
        """The log of each program."""
        return {kept.child.program.name: kept.child.log for kept in self._kept}

    def tend(self) -> None:
        """Restart programs that died, after a pause when they do not live long; end orphans."""
        for kept in self._kept:
            if kept.died():
                self._say(kept.obituary())
            if kept.due():
                kept.start()
        self._orphans_end(after=ORPHAN_SECONDS)

    def stop(self) -> None:
        """End all: first those that work, then those that serve them."""
        for serves, seconds in ((False, STOP_SECONDS), (True, STOP_SERVING_SECONDS)):
            stopping = [kept.child for kept in self._kept if kept.child.program.serves == serves]
            for child in stopping:
                child.signal(signal.SIGTERM)
            deadline = time.monotonic() + seconds
            for child in stopping:
                child.wait(until=deadline)
        # A killed program may leave orphans behind.
        while self._orphans_end(after=0):
            time.sleep(0.02)

    def _orphans_end(self, *, after: float) -> bool:
        """End orphans that were adopted this long ago; return whether there are any left."""
        now = time.monotonic()
        own = {kept.child.pid for kept in self._kept}
        since = {pid: self._orphans.get(pid, now) for pid in _children() - own}
        for pid, first_seen in since.items():
            if now - first_seen >= after:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._orphans = since
        return bool(since)


class _Kept:
    """A child, how often it did not live long, and when it is to be started again."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._started = self._restart = 0.0
        self._alive = False
        self._failures = 0

    def start(self) -> None:
        self.child.start()
        self._started, self._alive = time.monotonic(), True

    def died(self) -> bool:
        """Whether it has ended since the last call; if so, its descendants are ended too."""
        if not self._alive or self.child.ended is None:
            return False
        self._alive = False
        self.child.kill()
        now = time.monotonic()
        self._failures = 0 if now - self._started > STEADY_SECONDS else self._failures + 1
        self._restart = now + min(DELAY_MOST_SECONDS, self._failures**2 * 0.25)
        return True

    def due(self) -> bool:
        return not self._alive and time.monotonic() >= self._restart

    def obituary(self) -> str:
        """The message about its end."""
        ended = self.child.ended or 0
        how = f"was killed by signal {-ended}" if ended < 0 else f"ended with status {ended}"
        words = "\n    ".join(self.child.last_words().splitlines())
        return f"{self.child.program.name} {how} and is started again; the end of {self.child.log}:\n    {words}"


def _children() -> set[int]:
    """The processes whose parent we are, adopted ones among them; none where /proc does not say."""
    with suppress(OSError):
        return {
            int(child)
            for task in Path("/proc/self/task").iterdir()
            for child in (task / "children").read_text().split()
        }
    return set()
