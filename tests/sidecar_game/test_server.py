"""A stopped game server starts only on whole data, and never during an exchange."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.calls.calls import Call
from sidecar.errors import ServerNotStopped, SourceFailed
from sidecar.game.errors import GameError
from sidecar.game.flag_file import FlagFile
from sidecar.game.profiles import Profile
from sidecar.game.server import GameServer
from sidecar.game.settings import GameSettings
from sidecar.places.links import LinkRoots
from sidecar.restore import extracting
from sidecar.restore.extracting import Extractions
from sidecar.restore.workspace.outcomes import ExtractSummary, Outcome
from sidecar.volumes import Volumes
from wire.enums import OutcomeKind, ServerControl

PATIENCE_SECONDS = 20.0


class ScriptedGame(Profile):
    """A game that obeys, but fails to start while `broken`."""

    def __init__(self) -> None:
        super().__init__(GameSettings(stop_command=("stop",)))
        self.runs = True
        self.broken = False
        self.tried = threading.Semaphore(0)
        self.started = threading.Event()

    def running(self, *, quietly: bool = False) -> bool:
        return self.runs

    def stop(self) -> None:
        self.runs = False

    def start(self) -> None:
        self.tried.release()
        if self.broken:
            raise GameError("broken")
        self.runs = True
        self.started.set()


@pytest.fixture
def mark(tmp_path: Path) -> FlagFile:
    return FlagFile(tmp_path / "mark")


@pytest.fixture
def game() -> ScriptedGame:
    return ScriptedGame()


def trying() -> bool:
    """Whether a retry thread is running."""
    return any(thread.name == "starting the game" for thread in threading.enumerate())


def exchange(server: GameServer, *, settled: bool = True) -> None:
    with server.exchange(ServerControl.AUTO, cancelled=lambda: False, settled=lambda: settled) as stop:
        stop()
    if not settled:
        server.finish()  # the daemon dies


def test_server_stays_stopped_until_half_exchanged_data_is_recovered(game: ScriptedGame, mark: FlagFile) -> None:
    server = GameServer(game, mark)
    exchange(server, settled=False)
    assert not game.runs
    assert mark.present()
    whole, asked = threading.Event(), threading.Event()

    def settled() -> bool:
        asked.set()
        return whole.is_set()

    later = GameServer(game, mark)
    later.recover(settled=settled)
    assert asked.wait(PATIENCE_SECONDS)
    assert not game.runs
    whole.set()
    assert game.started.wait(PATIENCE_SECONDS)
    later.finish()
    assert not mark.present()


@pytest.mark.parametrize("kind", [OutcomeKind.RUNNING, OutcomeKind.ROLLED_BACK])
def test_any_half_done_extraction_keeps_the_server_stopped(
    game: ScriptedGame, mark: FlagFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: OutcomeKind
) -> None:
    def failing(*, before_exchange: Callable[[], None], **_: object) -> ExtractSummary:
        before_exchange()
        raise SourceFailed("The volume fails.")

    monkeypatch.setattr(extracting, "extractions_recover", lambda *, root, links: [("another", Outcome(kind))])
    server = GameServer(game, mark)
    extractions = Extractions(root=tmp_path, server=server, links=LinkRoots(), volumes=Volumes(None, like=tmp_path))
    told = extractions.run(Call(operation="one", fence=1), restore=failing, server=ServerControl.AUTO)
    with pytest.raises(SourceFailed):
        list(told)
    server.finish()
    assert game.runs is (kind is not OutcomeKind.RUNNING)
    assert mark.present() is (kind is OutcomeKind.RUNNING)


def test_server_stopped_by_an_earlier_daemon_is_started(game: ScriptedGame, mark: FlagFile) -> None:
    exchange(GameServer(game, mark), settled=False)
    GameServer(game, mark).recover(settled=lambda: True)
    assert game.started.wait(PATIENCE_SECONDS)


def test_server_is_not_started_during_the_next_exchange(game: ScriptedGame, mark: FlagFile) -> None:
    game.broken = True
    server = GameServer(game, mark)
    exchange(server)
    assert game.tried.acquire(timeout=PATIENCE_SECONDS)
    with server.exchange(ServerControl.LEAVE, cancelled=lambda: False, settled=lambda: True) as stop:
        stop()
        game.broken = False
        assert server._start_left()  # the retry thread calls this
        assert not game.runs
    assert game.runs
    assert not mark.present()
    server.finish()


def test_a_mark_that_cannot_be_written_stops_nothing(game: ScriptedGame, tmp_path: Path) -> None:
    with pytest.raises(ServerNotStopped):
        exchange(GameServer(game, FlagFile(tmp_path / "no folder" / "mark")))
    assert game.runs


def test_server_without_a_start_command_stays_stopped(game: ScriptedGame, mark: FlagFile) -> None:
    exchange(GameServer(game, mark), settled=False)
    game.can_stop = False
    GameServer(game, mark).recover(settled=lambda: True)
    assert not trying()
    assert mark.present()
