"""`make serve` in a checkout of its own, and its output on the screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from demo.client import Client, Unreachable
from tests.processes.portal import port_free
from tests.processes.tree import descendants_of, is_alive, processes_of
from tests.processes.waiting import wait_until

READY_SECONDS = 90
STOP_SECONDS = 30
COMMANDS = {"web": "manage.py serve", "worker": "manage.py worker", "sidecar": "-m sidecar"}


@dataclass(frozen=True)
class Serving:
    """A running `make serve`: its process, its checkout and its screen output."""

    process: subprocess.Popen[bytes]
    checkout: Path
    home: Path
    url: str
    screen: Path

    @property
    def logins(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads((self.home / "secrets/demo-logins.json").read_text())
        return found

    @property
    def customer(self) -> Client:
        return Client(self.url, self.logins["customer"]["token"])

    def page(self, path: str, *, language: str = "en") -> str:
        """A page's text; empty while the server does not answer."""
        client = Client(self.url, "")
        with suppress(Unreachable), client.open("GET", path, headers={"Accept-Language": language}) as response:
            return response.read().decode()
        return ""

    def running(self) -> set[int]:
        """The living processes except the first one."""
        return set(processes_of(self.home)) - {self.process.pid}

    def programs(self) -> set[str]:
        """The names of the living programs."""
        lines = processes_of(self.home).values()
        return {program for program, command in COMMANDS.items() if any(command in line for line in lines)}

    def said(self) -> str:
        return self.screen.read_text(errors="replace")

    def ready(self) -> bool:
        """Whether every program runs and the portal reports that everything works."""
        assert self.process.poll() is None, self.said()
        return '"ok"' in self.page("/healthz") and self.programs() == set(COMMANDS)

    def replaced(self, before: set[int]) -> None:
        """Wait until those processes have ended and everything works without them."""
        wait_until(lambda: not before & self.running(), seconds=READY_SECONDS, what="the end of what ran before")
        wait_until(self.ready, seconds=READY_SECONDS, what="everything answers again")


@contextmanager
def serve(checkout: Path) -> Iterator[Serving]:
    """Serve a checkout as `make serve` does; killed at the end if it still runs."""
    port, screen, home = port_free(), checkout / "screen.log", checkout / ".serve"
    settings = {"PATH": os.environ["PATH"], "SAVEPOINT_HOME": ".serve", "SAVEPOINT_PORT": str(port)}
    with screen.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--reload"],
            cwd=checkout,
            env=settings,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    serving = Serving(process, checkout, home, f"http://127.0.0.1:{port}", screen)
    try:
        wait_until(serving.ready, seconds=READY_SECONDS, what="everything answers")
        yield serving
    finally:
        started = descendants_of(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: not any(map(is_alive, started)), seconds=STOP_SECONDS, what="the end of its processes")
