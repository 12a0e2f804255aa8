"""The whole product as processes in a home of their own: web server, supervised workers, sidecar."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from common.keyring import kek_generate
from common.private_files import private_keep
from demo.client import ApiAnswer, Client, Unreachable
from demo.processes import ROOT, WEB, WORKER, Child, sidecar_program
from tests.processes.waiting import wait_until
from tests.services.seaweedfs import S3Server

START_SECONDS = 60
OPERATION_SECONDS = 120
running: list[Portal] = []
"""The running portals, for reports of failures."""


@dataclass
class Portal:
    """A running product; attributes describe `customer`, `users` holds the logins of the others."""

    url: str
    home: Path
    world: Path
    order: str
    provision: str
    users: dict[str, dict[str, str]]
    other: dict[str, str]
    no_sidecar: dict[str, str]
    socket: Path
    children: dict[str, Child]

    @property
    def token(self) -> str:
        return self.users["customer"]["token"]

    @property
    def backups(self) -> str:
        """The path of the server's backups."""
        return f"orders/{self.order}/provisions/{self.provision}/backups/"

    def client(self, role: str = "customer") -> Client:
        return Client(self.url, self.users[role]["token"])

    def api(
        self, method: str, path: str, json: object = None, *, role: str = "customer", headers: Mapping[str, str] = {}
    ) -> ApiAnswer:
        """Send a request with that role; the path is below `/api/v1/` unless it begins with a slash."""
        return self.client(role).call(method, path, json, headers)

    def open(self, path: str, *, role: str = "customer", **headers: str) -> AbstractContextManager[HTTPResponse]:
        """Start a download; returns the response with an unread body."""
        return self.client(role).open("GET", path, headers=headers)

    def backup(self, name: str | None = None) -> dict[str, Any]:
        """Create a backup and wait until it is ready."""
        answer = self.api("POST", self.backups, {"name": name} if name else {})
        assert answer.status == 202, answer
        return self.ended(answer.json["id"])

    def ended(self, backup: str, *, status: str | None = "ready", seconds: float = OPERATION_SECONDS) -> dict[str, Any]:
        """Wait until no operation of a backup is active; asserts the backup's status."""
        found: dict[str, Any] = wait_until(
            lambda: self._over(self.api("GET", f"{self.backups}{backup}/")), seconds=seconds, what=f"backup {backup}"
        )
        assert status in (None, found["status"]), found
        return found

    def _over(self, answer: ApiAnswer) -> Any:
        assert answer.status == 200, answer
        # The operation that made a safety backup belongs to another backup.
        operation = answer.json["operation"] or {"state": "succeeded"}
        return answer.json if operation["state"] not in ("queued", "running") else None

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to `web`, `worker` or `sidecar`; SIGKILL takes its process group with it."""
        if number == signal.SIGKILL:
            assert self.children[name].ended is None, f"{name} had ended before it was killed"
            self.children[name].kill()
            assert self.children[name].ended == -signal.SIGKILL
        else:
            self.children[name].signal(number)

    def restart(self, name: str) -> None:
        """Kill a process if it lives, start it, and wait until the whole portal answers."""
        self.children[name].kill()
        self.children[name].start()
        self.wait_ready()

    def wait_ready(self) -> None:
        wait_until(self._answers, seconds=START_SECONDS, what="the portal answers")

    def _answers(self) -> bool:
        for name, child in self.children.items():
            assert child.ended is None, f"{name} ended with {child.ended}: {child.last_words(20)}"
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))
            return self.api("GET", "/healthz").status == 200
        except (Unreachable, OSError):
            return False

    def logs(self) -> str:
        """The end of every log."""
        return "\n".join(f"--- {name}\n{child.last_words(40)}" for name, child in self.children.items())


@contextmanager
def portal(
    home: Path,
    *,
    database_url: str | None = None,
    queue_url: str | None = None,
    s3: S3Server | None = None,
    sealed: bool = True,
    workers: int = 2,
    megabytes: int = 2,
    backup_format: str = "archive",
    settings: Mapping[str, str] = {},
    logs: Path | None = None,
) -> Iterator[Portal]:
    """A portal in `home` that accepts requests: by default with SQLite, a local folder, archives, and logs there."""
    port = port_free()
    environ = {**_environ(home, port=port, workers=workers), **settings}
    environ |= {name: url for name, url in {"DATABASE_URL": database_url, "QUEUE_URL": queue_url}.items() if url}
    options = {"megabytes": megabytes, "target": _target(s3, sealed=sealed), "format": backup_format}
    seeded = seed_run(environ, {**options, "migrated": str(_kept() / "migrated.sqlite3")})
    place = seeded["places"]["customer"]
    sidecar = sidecar_program("sidecar", Path(place["sidecar"]["arguments"][-1]))
    programs = {"sidecar": sidecar, "web": WEB, "worker": WORKER}
    logs = logs or home / "logs"
    logs.mkdir()
    found = Portal(
        url=f"http://127.0.0.1:{port}",
        home=home,
        world=Path(place["data_root"]),
        **seeded["customer"],
        users=seeded["users"],
        other=seeded["other"],
        no_sidecar=seeded["no_sidecar"],
        socket=Path(place["listen"].removeprefix("unix:")),
        children={name: Child(program, logs=logs, environ=environ) for name, program in programs.items()},
    )
    running.append(found)
    try:
        for child in found.children.values():
            child.start()
        found.wait_ready()
        yield found
    finally:
        running.remove(found)
        _stop(found)
        shutil.rmtree(found.socket.parent)


def _stop(portal: Portal) -> None:
    """Stop the workers first, by SIGTERM: they have children in other process groups."""
    worker = portal.children["worker"]
    worker.signal(signal.SIGTERM)
    wait_until(lambda: worker.ended is not None, seconds=30, what="the workers' end")
    for child in portal.children.values():
        child.kill()


def _environ(home: Path, *, port: int, workers: int) -> dict[str, str]:
    """An environment without the tests' own settings."""
    home.mkdir(parents=True, exist_ok=True)
    private_keep(home / "secrets/SECRET_KEY", lambda: secrets.token_urlsafe(64))
    private_keep(home / "secrets/SAVEPOINT_MASTER_KEYS", lambda: f"1:{kek_generate()}")
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SAVEPOINT_HOME": str(home),
        "SAVEPOINT_PORT": str(port),
        "SAVEPOINT_WORKERS": str(workers),
    }


def seed_run(environ: Mapping[str, str], options: object, *, module: str = "tests.processes.seed") -> dict[str, Any]:
    """Let a module fill a portal's database in a process of its own; options and result are JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environ,
        input=json.dumps(options),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seeded: dict[str, Any] = json.loads(done.stdout)
    return seeded


@cache
def _kept() -> Path:
    """A folder that all portals of this process share."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return folder


def _target(s3: S3Server | None, *, sealed: bool) -> dict[str, Any]:
    if s3 is None:
        return {"kind": "local", "options": {}, "secrets": {}, "sealed": sealed}
    options = {
        "bucket": s3.bucket,
        "endpoint_url": s3.endpoint,
        "region": "us-east-1",
        "prefix": "",
        "path_style": True,
        "conditional_writes": True,
    }
    keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
    return {"kind": "s3", "options": options, "secrets": keys, "sealed": sealed}


def port_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
