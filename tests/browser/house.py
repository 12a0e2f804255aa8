"""A running portal that tests fill with users, orders and backups."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from demo.processes import ROOT
from tests.processes.portal import Portal, portal


@dataclass(frozen=True)
class Person:
    """A user; `session` is the cookie of a signed-in browser."""

    username: str
    password: str
    session: str


@dataclass(frozen=True)
class Rented:
    """An order of a user."""

    owner: Person
    order: str
    provision: str
    name: str

    @property
    def path(self) -> str:
        return f"/orders/{self.order}/"

    @property
    def polled(self) -> str:
        """The pattern of the address that the page polls."""
        return f"**{self.path}backups/?*"

    def backup(self, backup: str, rest: str = "") -> str:
        return f"{self.path}backups/{backup}/{rest}"


@dataclass
class House:
    """The portal, and the process that fills it."""

    portal: Portal
    _seeder: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return self.portal.url

    def do(self, command: str, **options: Any) -> Any:
        """Run a command of `tests.browser.seed`."""
        asked: IO[str] | None = self._seeder.stdin
        told: IO[str] | None = self._seeder.stdout
        assert asked is not None
        assert told is not None
        asked.write(json.dumps({"do": command, **options}) + "\n")
        asked.flush()
        line = told.readline()
        assert line, f"the seeder has ended: {(self.portal.home / 'logs/seeder.log').read_text()}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["answer"]

    def person(self, **options: Any) -> Person:
        return Person(**self.do("person", **options))

    def rent(self, name: str = "Valheim night shift", *, owner: Person | None = None, **options: Any) -> Rented:
        """Create an order, for a new user unless `owner` is given."""
        someone = owner or self.person()
        return Rented(owner=someone, name=name, **self.do("order", owner=someone.username, name=name, **options))

    def backup(self, rented: Rented, name: str, **options: Any) -> str:
        return str(self.do("backup", order=rented.order, name=name, **options))

    def hold(self, rented: Rented, name: str, **options: Any) -> str:
        """Start an operation on a backup that lasts until `finish`; returns the backup's id."""
        return str(self.do("hold", order=rented.order, name=name, **options))

    def finish(self, backup: str, **options: Any) -> None:
        self.do("finish", backup=backup, **options)


@contextmanager
def house_built(home: Path, *, megabytes: int = 2) -> Iterator[House]:
    """A house that accepts requests."""
    with portal(home, megabytes=megabytes) as found, (home / "logs/seeder.log").open("w") as log:
        seeder = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.seed"],
            cwd=ROOT,
            env=found.children["web"].environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        # Leaving closes the process's input, which ends it.
        with seeder:
            yield House(portal=found, _seeder=seeder)
