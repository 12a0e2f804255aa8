"""The product's programs as child processes: ended with their parent, with a log, ended to the last process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Program:
    """One of the product's programs: the arguments of this Python, and the name of its log.

    serves: others need it to finish what they do, so it is stopped after them.
    """

    name: str
    arguments: tuple[str, ...]
    serves: bool = False


WEB = Program("web", ("manage.py", "serve"))
WORKER = Program("worker", ("manage.py", "worker"))


def sidecar_program(name: str, config: Path) -> Program:
    """The sidecar with that configuration file."""
    return Program(name, ("-m", "sidecar", "--config", str(config)), serves=True)


class Child:
    """A program as a child process in a session of its own, so that a Ctrl-C reaches it through its parent only."""

    def __init__(self, program: Program, *, logs: Path, environ: Mapping[str, str]) -> None:
        self.program = program
        self.log = logs / f"{program.name}.log"
        self.environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, also that of its process group; of the last one when it is not alive."""
        return self._process.pid if self._process else 0

    @property
    def ended(self) -> int | None:
        """None while it lives, else its exit status, or minus the signal that ended it."""
        return self._process.poll() if self._process else 0

    def start(self) -> None:
        """Start it; its output is appended to its log."""
        ends_with_us = [sys.executable, "-S", "-m", "common.parent_death", str(os.getpid())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*ends_with_us, sys.executable, *self.program.arguments],
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; that it has ended meanwhile is no error."""
        if self._process:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill its process group at once."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self, *, until: float) -> None:
        """Wait for its end until that monotonic time; then kill the rest of its group."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, until - time.monotonic()))
            self.kill()

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""
