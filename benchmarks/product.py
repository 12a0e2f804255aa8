"""The whole product, driven from outside and measured: web server, worker, sidecar, storage."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks.proc import MIB, children_of, cpu_seconds, peak_begin, status_mib
from demo.comparison import archive_differences, archive_read
from tests.processes.portal import Portal
from trees.paths import RESERVED_FOLDER

POLL_SECONDS = 0.1
BACKUPS_MAX = 100
"""The limit of the plan: a week and the small files are more backups than a plan keeps by default."""


@dataclass(frozen=True, slots=True)
class Job:
    """One operation: from its request to its end, and from a worker's claim to the commit, in seconds."""

    backup: dict[str, Any]
    wall: float
    claim_to_commit: float
    cpu: dict[str, float]
    peak_rss_mib: dict[str, float]


class Product:
    """A running portal with one worker."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._pids = {"sidecar": portal.children["sidecar"].pid, "worker": _worker_pid(portal.children["worker"].pid)}
        self._change("update orders_plan set backup_limit = ?", BACKUPS_MAX)

    @property
    def world(self) -> Path:
        """The game server's folder."""
        return self._portal.world

    def rss_mib(self, name: str) -> float:
        """The memory of the sidecar or the worker now."""
        return status_mib(self._pids[name], "VmRSS")

    def full(self) -> Job:
        """Create a backup."""
        return self._job(lambda: self._portal.api("POST", self._portal.backups, {}).json["id"])

    def archives_become(self, format_: str) -> None:
        """Let new archives be of that format, as staff do on the target's page."""
        self._change("update vault_storagetarget set archive_format = ?", format_)

    def _change(self, sql: str, value: object) -> None:
        """Change rows as staff do on a page."""
        with closing(sqlite3.connect(self._portal.home / "savepoint.sqlite3")) as database, database:
            database.execute(sql, [value])

    def stored_bytes(self) -> int:
        """The bytes of all repositories in the storage."""
        folder = self._portal.home / "storage/repositories"
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def restore(self, backup: str, paths: Sequence[str] = ()) -> Job:
        """Bring a backup, or some paths of it, back onto the server."""

        def begin() -> str:
            # Without the safety backup, which no peer makes.
            wanted: dict[str, Any] = {"mode": "replace", "safety_backup": False}
            if paths:
                wanted["paths"] = list(paths)
            answer = self._portal.api("POST", f"{self._portal.backups}{backup}/restore/", wanted)
            assert answer.status == HTTPStatus.ACCEPTED, answer
            return backup

        return self._job(begin)

    def download(self, backup: dict[str, Any]) -> float:
        """Download a backup; return MB/s."""
        began = time.perf_counter()
        buffer, size = bytearray(MIB), 0
        with self._portal.open(f"assets/{backup['asset_id']}/") as response:
            while read := response.readinto(buffer):
                size += read
        assert size == backup["size_bytes"]
        return size / 1e6 / (time.perf_counter() - began)

    def differences(self, backup: dict[str, Any]) -> list[str]:
        """How the folder differs from a backup."""
        with self._portal.open(f"assets/{backup['asset_id']}/") as response:
            return archive_differences(archive_read(response), self.world)

    def empty(self) -> None:
        """Take every file of the server away."""
        for path in self.world.iterdir():
            if os.fsencode(path.name) != RESERVED_FOLDER:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def delete(self, backup: str) -> None:
        """Delete a backup and wait until its bytes are gone."""
        assert self._portal.api("DELETE", f"{self._portal.backups}{backup}/").status == HTTPStatus.NO_CONTENT
        while any(backup in path.name for path in (self._portal.home / "storage").rglob("*")):
            time.sleep(POLL_SECONDS)

    def _job(self, begin: Callable[[], str]) -> Job:
        for pid in self._pids.values():
            peak_begin(pid)
        cpu = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        began = time.perf_counter()
        backup = self._ended(begin())
        wall = time.perf_counter() - began
        return Job(
            backup=backup,
            wall=wall,
            claim_to_commit=self._claim_to_commit(backup["operation"]["id"]),
            cpu={name: cpu_seconds(pid) - cpu[name] for name, pid in self._pids.items()},
            peak_rss_mib={name: status_mib(pid, "VmHWM") for name, pid in self._pids.items()},
        )

    def _ended(self, backup: str) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = self._portal.api("GET", f"{self._portal.backups}{backup}/").json
            if found["operation"]["state"] not in ("queued", "running"):
                assert (found["status"], found["operation"]["state"]) == ("ready", "succeeded"), found
                return found
            time.sleep(POLL_SECONDS)

    def _claim_to_commit(self, operation: str) -> float:
        query = "select started_at, finished_at from operations_operation where id = ?"
        with closing(sqlite3.connect(self._portal.home / "savepoint.sqlite3")) as database:
            row = database.execute(query, [operation.replace("-", "")]).fetchone()
        started, finished = map(datetime.fromisoformat, row)
        return (finished - started).total_seconds()


def _worker_pid(supervisor: int) -> int:
    """The process that runs operations: django-q2's sentinel starts it first, then its monitor and its pusher."""
    (main,) = children_of(supervisor)
    (sentinel,) = children_of(main)
    return min(children_of(sentinel))
