"""A quiesced game resumes, whatever happens to the caller or the daemon."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar_client.errors import SidecarUnavailable
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, PROJECT, Daemon, eventually
from tests.sidecar_daemon.games import HELD_ONCE, goes_on, holds_still, marked, minecraft, packed, stream, world
from tests.sidecar_daemon.worlds import endless_world
from tests.sidecar_game.rcon_server import RconServer
from wire.enums import Consistency

pytestmark = pytest.mark.processes

A_CLIENT = """
import json, sys
from sidecar_client.client import SidecarClient, Ticket
given = json.load(sys.stdin)
with SidecarClient(address=given["address"], token=given["token"], ticket=Ticket("lost-worker", 1)) as client:
    with client.archive_stream(
        source="/data", output="/tmp/lost", quiesce=True, on_progress=lambda _: None, cancelled=lambda: False
    ) as stream:
        for _ in stream:
            pass
"""


@pytest.fixture
def still(idle_daemon: Daemon, rcon: RconServer) -> Daemon:
    """A daemon, not started, with more data than it can pack during a test, so that the game stays quiesced."""
    endless_world(idle_daemon.world)
    minecraft(idle_daemon, rcon)
    idle_daemon.drain_seconds = 0.2
    return idle_daemon


def test_a_worker_that_is_killed_lets_the_game_go_on(still: Daemon, rcon: RconServer) -> None:
    still.start()
    with subprocess.Popen([sys.executable, "-c", A_CLIENT], stdin=subprocess.PIPE, text=True, cwd=PROJECT) as worker:
        assert worker.stdin is not None
        json.dump({"address": still.address, "token": still.token}, worker.stdin)
        worker.stdin.close()
        assert eventually(lambda: holds_still(rcon) and still.left_in_scratch() != [])
        assert marked(still)
        worker.kill()
        assert worker.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert eventually(lambda: goes_on(still, rcon), seconds=10)
    assert rcon.told == HELD_ONCE


def test_a_call_that_is_left_lets_the_game_go_on(still: Daemon, rcon: RconServer) -> None:
    still.start()
    with still.client() as client, stream(client) as packing:
        assert next(iter(packing))
        assert holds_still(rcon)
    assert eventually(lambda: goes_on(still, rcon), seconds=10)
    assert rcon.told == HELD_ONCE


def test_game_stays_quiesced_for_the_second_call_when_the_first_ends(still: Daemon, rcon: RconServer) -> None:
    still.start()
    with still.client() as one, still.client() as other, stream(other, output="/tmp/other") as second:
        with stream(one) as first:
            assert next(iter(first))
            assert next(iter(second))
        assert eventually(lambda: len(still.left_in_scratch()) == 1)
        assert next(iter(second))
        assert holds_still(rcon)
        assert marked(still)
    assert eventually(lambda: goes_on(still, rcon))
    assert rcon.told == HELD_ONCE


def test_a_daemon_told_to_end_lets_the_game_go_on(still: Daemon, rcon: RconServer) -> None:
    still.start()
    with still.client() as client, stream(client) as packing:
        assert next(iter(packing))
        still.signal(signal.SIGTERM)
        with pytest.raises(SidecarUnavailable):
            for _ in packing:
                pass
    assert still.wait() == 0
    assert goes_on(still, rcon)
    assert rcon.told == HELD_ONCE


def test_a_daemon_that_was_killed_lets_the_game_go_on_when_it_is_back(still: Daemon, rcon: RconServer) -> None:
    still.start()
    with still.client() as client, stream(client) as packing:
        assert next(iter(packing))
        still.kill()
    assert holds_still(rcon)
    assert marked(still)
    still.start()
    assert eventually(lambda: goes_on(still, rcon), seconds=10)
    assert rcon.told == HELD_ONCE


def test_a_game_that_is_away_is_told_to_go_on_as_soon_as_it_is_back(still: Daemon, rcon: RconServer) -> None:
    still.start()
    with still.client() as client, stream(client) as packing:
        assert next(iter(packing))
        still.kill()
    rcon.close()
    still.start()
    assert eventually(lambda: any("could not be resumed" in line for line in still.log))
    assert marked(still)
    with still.client() as client:
        assert client.describe().version
    rcon.open()
    assert eventually(lambda: goes_on(still, rcon))


def test_a_game_that_was_stopped_meanwhile_needs_not_be_told(still: Daemon, rcon: RconServer, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.touch()
    still.game["running_command"] = ["test", "-e", str(runs)]
    still.start()
    with still.client() as client, stream(client) as packing:
        assert next(iter(packing))
        still.kill()
    rcon.close()
    runs.unlink()
    still.start()
    assert eventually(lambda: not marked(still), seconds=10)


def test_a_game_holds_still_no_longer_than_it_may(still: Daemon, rcon: RconServer) -> None:
    still.game["quiesce_max_seconds"] = 0.3
    still.start()
    with still.client() as client, stream(client) as packing:
        content = iter(packing)
        assert next(content)
        assert eventually(lambda: goes_on(still, rcon))
        assert next(content)
        assert still.left_in_scratch()
    assert eventually(lambda: still.left_in_scratch() == [])
    assert rcon.told == HELD_ONCE


def test_game_is_told_to_resume_until_it_confirms(idle_daemon: Daemon, rcon: RconServer) -> None:
    world(idle_daemon)
    minecraft(idle_daemon, rcon, timeout_seconds=0.3)
    rcon.silent.add("save-on")
    idle_daemon.start()
    result, _ = packed(idle_daemon)
    assert result.consistency is Consistency.LIVE
    assert marked(idle_daemon)
    told = rcon.told.count("save-on")
    assert eventually(lambda: rcon.told.count("save-on") > told)
    assert idle_daemon.stop() == 0
    assert marked(idle_daemon)
    rcon.silent.clear()
    idle_daemon.start()
    assert eventually(lambda: goes_on(idle_daemon, rcon))
    assert rcon.told.count("save-off") == 1
