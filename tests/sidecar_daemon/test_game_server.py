"""The game server stops while names are exchanged, and runs again whatever the result."""

# ruff: noqa: S108 - /tmp is a name on the wire, not this machine's folder

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sidecar_client.client import ExtractProgress, ExtractResult, SidecarClient
from sidecar_client.errors import Cancelled, SidecarClientError, SidecarFailed
from tests.sidecar_daemon.daemon import PATIENCE_SECONDS, Daemon, any_operation, eventually
from tests.sidecar_daemon.games import OUTPUT, ScriptedServer, stream
from wire.enums import OutcomeKind, Phase, ServerControl

pytestmark = pytest.mark.processes

MARK = "game-was-stopped"
STOPPED_AND_STARTED = ["stop", "old", "start", "new"]


@pytest.fixture
def game(tmp_path: Path) -> ScriptedServer:
    game = ScriptedServer(tmp_path)
    game.runs.touch()
    return game


@pytest.fixture
def daemon(idle_daemon: Daemon) -> Daemon:
    """A daemon, not started, with the live data "old"."""
    live(idle_daemon).write_text("old")
    return idle_daemon


def live(daemon: Daemon) -> Path:
    return daemon.world / "live"


def started(daemon: Daemon, table: dict[str, object]) -> Daemon:
    """Start the daemon with this table `[game]`, and an archive in scratch with the content "new"."""
    daemon.game = table
    daemon.start()
    live(daemon).write_text("new")
    with daemon.client() as client, stream(client, quiesce=False) as packing:
        for _ in packing:
            pass
    live(daemon).write_text("old")
    return daemon


def extract(
    client: SidecarClient,
    server: ServerControl = ServerControl.AUTO,
    *,
    source: str = OUTPUT,
    on_progress: Callable[[ExtractProgress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ExtractResult:
    return client.archive_extract(
        source=source,
        destination="/data",
        mode="replace",
        server=server,
        on_progress=on_progress,
        cancelled=cancelled,
    )


def refused(daemon: Daemon, server: ServerControl = ServerControl.AUTO, *, source: str = OUTPUT) -> str:
    """Extract; returns the code of the failure."""
    with daemon.client() as client, pytest.raises(SidecarFailed) as failure:
        extract(client, server, source=source)
    return failure.value.code


def untouched(daemon: Daemon) -> bool:
    return {path.name: path.is_file() and path.read_text() for path in daemon.world.iterdir()} == {"live": "old"}


def marked(daemon: Daemon) -> bool:
    return (daemon.scratch / MARK).exists()


@contextmanager
def extracting(daemon: Daemon, operation: str) -> Iterator[Future[ExtractResult]]:
    with daemon.client(operation) as client, ThreadPoolExecutor(1) as pool:
        yield pool.submit(extract, client)


@pytest.mark.parametrize("server", [ServerControl.AUTO, ServerControl.STOP])
def test_server_is_down_during_the_exchange_and_up_afterwards(
    daemon: Daemon, game: ScriptedServer, server: ServerControl
) -> None:
    phases: list[Phase] = []
    started(daemon, game.control(stop="rm runs; sleep 1"))
    with daemon.client() as client:
        extract(client, server, on_progress=lambda progress: phases.append(progress.phase))
    assert live(daemon).read_text() == "new"
    assert game.logged() == STOPPED_AND_STARTED
    assert game.runs.exists()
    assert not marked(daemon)
    assert Phase.STOPPING in phases


def test_a_server_that_does_not_run_is_not_started(daemon: Daemon, game: ScriptedServer) -> None:
    game.runs.unlink()
    started(daemon, game.control())
    with daemon.client() as client:
        extract(client, ServerControl.STOP)
    assert live(daemon).read_text() == "new"
    assert game.logged() == []


def test_a_server_that_is_to_be_left_alone_is(daemon: Daemon, game: ScriptedServer) -> None:
    started(daemon, game.control())
    with daemon.client() as client:
        extract(client, ServerControl.LEAVE)
    assert live(daemon).read_text() == "new"
    assert game.logged() == []


def test_server_without_a_stop_command_runs_on_unless_it_must_stop(daemon: Daemon) -> None:
    started(daemon, {})
    # The archive does not exist, so that any later failure would have another code.
    assert refused(daemon, ServerControl.STOP, source="/tmp/nowhere") == "server_not_stopped"
    assert refused(daemon, ServerControl.STOP) == "server_not_stopped"
    assert untouched(daemon)
    with daemon.client() as client:
        extract(client, ServerControl.AUTO)
    assert live(daemon).read_text() == "new"


@pytest.mark.parametrize(
    ("stop", "running"),
    [
        ("exit 1", "test -e runs"),
        ("true", "test -e runs"),
        ("rm runs", "exit 127"),
    ],
)
def test_a_server_that_does_not_stop_keeps_its_data(
    daemon: Daemon, game: ScriptedServer, stop: str, running: str
) -> None:
    started(daemon, game.control(stop=stop, running=running, stop_seconds=0.2))
    assert refused(daemon) == "server_not_stopped"
    assert untouched(daemon)


def test_a_server_that_stops_late_is_started_again(daemon: Daemon, game: ScriptedServer) -> None:
    started(daemon, game.control(stop="exit 1"))
    assert refused(daemon) == "server_not_stopped"
    assert marked(daemon)
    game.runs.unlink()
    assert eventually(lambda: game.runs.exists() and not marked(daemon))
    assert game.logged() == ["stop", "old", "start", "old"]


def test_server_that_never_stopped_is_finally_left_alone(daemon: Daemon, game: ScriptedServer) -> None:
    started(daemon, game.control(stop="exit 1", stop_seconds=0.2))
    assert refused(daemon) == "server_not_stopped"
    assert eventually(lambda: not marked(daemon))
    assert game.logged() == ["stop", "old"]


def test_a_cancel_while_the_server_stops_touches_nothing_and_it_runs_again(
    daemon: Daemon, game: ScriptedServer
) -> None:
    give_up = threading.Event()
    started(daemon, game.control(stop="touch stopping", stop_seconds=600.0))
    with daemon.client() as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(extract, client, cancelled=give_up.is_set)
        assert eventually((game.folder / "stopping").exists)
        give_up.set()
        assert isinstance(future.exception(PATIENCE_SECONDS), Cancelled)
    assert eventually(lambda: untouched(daemon))
    game.runs.unlink()
    assert eventually(lambda: game.runs.exists() and not marked(daemon))
    assert game.logged() == ["stop", "old", "start", "old"]


def test_an_extraction_that_fails_after_the_stop_leaves_the_server_running(
    daemon: Daemon, game: ScriptedServer
) -> None:
    started(daemon, game.control(stop="rm -r runs world/.savepoint/*/new world/.savepoint/*/moves"))
    with daemon.client() as client, pytest.raises(SidecarClientError):
        extract(client)
    assert live(daemon).read_text() == "old"
    assert game.logged() == ["stop", "old", "start", "old"]
    assert game.runs.exists()
    assert not marked(daemon)


def test_a_start_that_fails_fails_no_restore_and_is_tried_again(daemon: Daemon, game: ScriptedServer) -> None:
    started(daemon, game.control(start="test -e ready && touch runs"))
    with daemon.client() as client:
        extract(client)
    assert live(daemon).read_text() == "new"
    assert marked(daemon)
    (game.folder / "ready").touch()
    assert eventually(lambda: game.runs.exists() and not marked(daemon))


@pytest.fixture
def gate(game: ScriptedServer) -> Iterator[Path]:
    """A file; the scripts wait until it is removed."""
    gate = game.folder / "gate"
    gate.touch()
    yield gate
    gate.unlink(missing_ok=True)


WAIT_AT_GATE = "while test -e gate; do sleep 0.05; done"


def test_a_daemon_killed_after_the_stop_starts_the_server_when_it_is_back(
    daemon: Daemon, game: ScriptedServer, gate: Path
) -> None:
    started(daemon, game.control(running=f"test -e runs && exit 0\n{WAIT_AT_GATE}\nexit 1"))
    operation = any_operation()
    with extracting(daemon, operation) as future:
        assert eventually(lambda: game.logged() == ["stop", "old"] and not game.runs.exists())
        daemon.kill()
        assert future.exception(PATIENCE_SECONDS) is not None
    assert marked(daemon)
    gate.unlink()
    daemon.start()
    assert eventually(lambda: game.runs.exists() and not marked(daemon))
    assert game.logged() == ["stop", "old", "start", "old"]
    assert untouched(daemon)


def test_daemon_killed_before_the_start_starts_the_server_later(
    daemon: Daemon, game: ScriptedServer, gate: Path
) -> None:
    started(daemon, game.control(start=f"test -e gate && {{ {WAIT_AT_GATE}; exit 1; }}\ntouch runs"))
    operation = any_operation()
    with extracting(daemon, operation) as future:
        assert eventually(lambda: game.logged() == STOPPED_AND_STARTED)
        daemon.kill()
        assert future.exception(PATIENCE_SECONDS) is not None
    assert marked(daemon)
    gate.unlink()
    daemon.start()
    assert eventually(lambda: game.runs.exists() and not marked(daemon))
    assert game.logged() == [*STOPPED_AND_STARTED, "start", "new"]
    with daemon.client(operation) as client:
        assert client.extract_outcome().kind is OutcomeKind.COMPLETED


def test_server_stopping_when_the_daemon_was_killed_is_started(daemon: Daemon, game: ScriptedServer) -> None:
    started(daemon, game.control(stop="touch stopping"))
    with extracting(daemon, any_operation()) as future:
        assert eventually((game.folder / "stopping").exists)
        daemon.kill()
        assert future.exception(PATIENCE_SECONDS) is not None
    daemon.start()
    assert eventually(lambda: any("was left stopped" in line for line in daemon.log))
    assert marked(daemon)
    game.runs.unlink()
    assert eventually(lambda: game.runs.exists() and not marked(daemon))
