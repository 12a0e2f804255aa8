"""The daemon tells how often the game started and ended without being asked: of a real process that is killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar_client.values import GameState
from tests.sidecar_daemon.daemon import Daemon, eventually
from tests.sidecar_daemon.games import OUTPUT, GameProcess, ScriptedServer, stream

pytestmark = pytest.mark.processes


@pytest.fixture
def game(tmp_path: Path) -> Iterator[GameProcess]:
    game = GameProcess(ScriptedServer(tmp_path))
    game.start()
    yield game
    game.close()


@pytest.fixture
def watched(idle_daemon: Daemon, game: GameProcess) -> Daemon:
    """A daemon that has seen the game run."""
    idle_daemon.game = game.control()
    idle_daemon.start()
    assert eventually(lambda: state(idle_daemon) is not None)
    return idle_daemon


def state(daemon: Daemon) -> GameState | None:
    with daemon.client("looking", fence=0) as client:
        return client.describe().game


def counts(daemon: Daemon) -> tuple[bool, int, int]:
    """Whether it runs, and how often it started and ended."""
    found = state(daemon)
    assert found is not None
    return found.running, found.starts, found.ends


def becomes(daemon: Daemon, wanted: tuple[bool, int, int]) -> bool:
    return eventually(lambda: counts(daemon) == wanted)


def test_a_killed_game_and_its_start_are_told_once_by_this_daemon_and_the_next(
    watched: Daemon, game: GameProcess
) -> None:
    assert counts(watched) == (True, 0, 0)
    game.kill()
    assert becomes(watched, (False, 0, 1))
    game.start()
    assert becomes(watched, (True, 1, 1))
    before = state(watched)
    watched.kill()
    watched.start()
    assert state(watched) == before
    watched.kill()
    game.kill()
    watched.start()
    assert becomes(watched, (False, 1, 2))


def test_the_stop_of_a_restore_is_no_crash(watched: Daemon, game: GameProcess) -> None:
    (watched.world / "live").write_text("new")
    first = game.pid
    with watched.client() as client:
        with stream(client, quiesce=False) as packing:
            for _ in packing:
                pass
        (watched.world / "live").write_text("old")
        client.archive_extract(
            source=OUTPUT, destination="/data", mode="replace", on_progress=lambda _: None, cancelled=lambda: False
        )
    assert game.pid != first
    game.kill()
    assert becomes(watched, (False, 0, 1))


def test_a_command_that_hangs_is_killed_and_is_no_crash(idle_daemon: Daemon, game: GameProcess) -> None:
    idle_daemon.game = game.control(timeout_seconds=0.3)
    idle_daemon.start()
    assert eventually(lambda: state(idle_daemon) is not None)
    (game.folder / "hangs").touch()
    assert eventually(lambda: any("gives no answer" in line for line in idle_daemon.log))
    assert counts(idle_daemon) == (True, 0, 0)
    (game.folder / "hangs").unlink()
    game.kill()
    assert becomes(idle_daemon, (False, 0, 1))


@pytest.mark.parametrize("table", [{"profile": "none"}, {"running_command": ["true"], "watch_seconds": 0}])
def test_where_nobody_looks_nothing_is_told(idle_daemon: Daemon, table: dict[str, object]) -> None:
    idle_daemon.game = table
    idle_daemon.start()
    assert state(idle_daemon) is None


def test_asking_pushes_out_no_fence(watched: Daemon) -> None:
    for number in range(3):
        with watched.client(f"looking-{number}", fence=0) as client:
            client.describe()
    assert not (watched.scratch / "fences.json").exists()


def test_the_daemon_ends_soon_although_the_command_hangs(idle_daemon: Daemon, game: GameProcess) -> None:
    (game.folder / "hangs").touch()
    idle_daemon.game = game.control(timeout_seconds=60.0)
    idle_daemon.start()
    idle_daemon.signal(signal.SIGTERM)
    assert idle_daemon.wait() == 0
