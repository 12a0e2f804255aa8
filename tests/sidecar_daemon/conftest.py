"""Daemons for tests; each one ends with its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar_daemon.daemon import Daemon
from tests.sidecar_game.rcon_server import RconServer, rcon_server


@pytest.fixture
def idle_daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A configured daemon that is not started yet."""
    daemon = Daemon(tmp_path)
    daemon.world.mkdir()
    yield daemon
    daemon.close()
    assert not any("Traceback" in line for line in daemon.log), "".join(daemon.log)


@pytest.fixture
def daemon(idle_daemon: Daemon) -> Daemon:
    idle_daemon.start()
    return idle_daemon


@pytest.fixture
def rcon() -> Iterator[RconServer]:
    with rcon_server() as server:
        yield server
