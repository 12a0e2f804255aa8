"""A real PostgreSQL server in a folder of its own, removed at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.services.require import program_require, unavailable

DEBIAN_PACKAGES = Path("/usr/lib/postgresql")
ACCOUNT = "postgres"
MEMORY = Path("/dev/shm")  # noqa: S108 - only asked for; what is made in it has a name of its own
START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class PostgresServer:
    url: str
    """The address of a database that its user may drop and recreate."""
    stop: Callable[[], None]
    """Stop the server immediately."""
    start: Callable[[], None]


@contextmanager
def postgres(root: Path) -> Iterator[PostgresServer]:
    """A server that accepts connections, with its data below `root` if its account can reach that folder."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    with _folder(root) as folder:
        data, log, port = folder / "data", folder / "postgres.log", _port_free()
        _run(log, initdb, f"--pgdata={data}", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync")
        # No data must survive a crash; durability would cost most of a small test's time.
        hasty = "-c fsync=off -c full_page_writes=off"
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 {hasty} -c max_connections=200"
        start = partial(_run, log, pg_ctl, "start", "-w", f"-t{START_SECONDS}", f"-D{data}", f"-o{options}")
        stop = partial(_run, log, pg_ctl, "stop", "-w", "-mimmediate", f"-D{data}")
        start()
        try:
            yield PostgresServer(f"postgres://postgres@127.0.0.1:{port}/postgres", stop, start)
        finally:
            stop()


@contextmanager
def _folder(root: Path) -> Iterator[Path]:
    """A folder of the server's account: the server refuses to run as root, and pytest's folders are root's."""
    if os.geteuid() != 0:
        folder = root / "postgres"
        folder.mkdir(parents=True)
        yield folder
        return
    if ACCOUNT not in {entry.pw_name for entry in pwd.getpwall()}:
        unavailable(f"the account {ACCOUNT} (Debian postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="savepoint-postgres-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    try:
        shutil.chown(folder, ACCOUNT, ACCOUNT)
        yield folder
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    newest = max(DEBIAN_PACKAGES.glob("*/bin"), key=lambda path: int(path.parent.name), default=Path("/nowhere"))
    return str(program_require(name, package="Debian postgresql", elsewhere=str(newest)))


def _run(log: Path, *command: str) -> None:
    as_root = os.geteuid() == 0
    account: dict[str, Any] = {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if as_root else {}
    # A file, not a pipe: the server keeps the descriptor, so a pipe would never end.
    with log.open("ab") as output:
        done = subprocess.run(
            command, cwd="/", check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **account
        )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {log.read_text(errors='replace')[-2000:]}")


def _port_free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
