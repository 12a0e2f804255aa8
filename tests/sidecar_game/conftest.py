"""An RCON server for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sidecar_game.rcon_server import RconServer, rcon_server


@pytest.fixture
def rcon() -> Iterator[RconServer]:
    with rcon_server() as server:
        yield server
