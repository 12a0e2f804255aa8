"""The watch counts the starts and ends that the sidecar did not ask for, each once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.game.flag_file import FlagFile
from sidecar.game.profiles import Profile
from sidecar.game.server import GameServer
from sidecar.game.settings import GameSettings
from sidecar.game.watching import GameWatch
from tests.sidecar_daemon.daemon import eventually
from wire.enums import ServerControl


class ScriptedGame(Profile):
    """A game whose state the test sets; `slow` ones do not run yet when they were started."""

    def __init__(self) -> None:
        super().__init__(GameSettings(stop_command=("stop",), running_command=("running",)))
        self.runs: bool | None = True
        self.slow = False
        self.during: Callable[[], None] = lambda: None

    def running(self, *, quietly: bool = False) -> bool | None:
        runs, during, self.during = self.runs, self.during, lambda: None
        during()
        return runs

    def stop(self) -> None:
        self.runs = False

    def start(self) -> None:
        self.runs = not self.slow


class Beside:
    """A game, its server control and the watch, as one daemon has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.game = ScriptedGame()
        self.restart()

    def restart(self) -> None:
        """Another daemon takes the place of the first."""
        self.server = GameServer(self.game, FlagFile(self.folder / "game-was-stopped"))
        self.watch = GameWatch(self.game, self.server, self.folder / "game-seen.json")

    def exchange(self, between: Callable[[], None] = lambda: None) -> None:
        """Stop and start the game, as a restore does."""
        with self.server.exchange(ServerControl.AUTO, cancelled=lambda: False, settled=lambda: True) as stop:
            stop()
            between()

    def look(self, *, runs: bool | None = None) -> tuple[int, int]:
        """Look once, the game being so; return the counts of starts and ends."""
        if runs is not None:
            self.game.runs = runs
        self.watch.look()
        return self.counts

    @property
    def counts(self) -> tuple[int, int]:
        assert self.watch.seen is not None
        return self.watch.seen.starts, self.watch.seen.ends


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    made = Beside(tmp_path)
    assert made.look() == (0, 0)
    return made


def test_each_end_and_each_start_counts_once(beside: Beside) -> None:
    assert beside.look(runs=False) == (0, 1)
    assert beside.look(runs=False) == (0, 1)
    assert beside.look(runs=True) == (1, 1)
    assert beside.look(runs=False) == (1, 2)


def test_an_answer_that_says_nothing_is_no_end(beside: Beside) -> None:
    beside.game.runs = None
    beside.watch.look()
    assert beside.counts == (0, 0)
    assert beside.look(runs=True) == (0, 0)


def test_a_stop_for_a_restore_and_the_start_after_it_do_not_count(beside: Beside) -> None:
    beside.exchange(between=beside.watch.look)
    assert beside.watch.seen is not None
    assert not beside.watch.seen.running
    assert beside.look() == (0, 0)
    assert beside.watch.seen.running
    assert beside.look(runs=False) == (0, 1)


def test_a_restart_between_two_looks_does_not_count_even_if_the_game_starts_late(beside: Beside) -> None:
    beside.game.slow = True
    beside.exchange()
    assert beside.look() == (0, 0)
    assert beside.look(runs=True) == (0, 0)
    assert beside.look(runs=False) == (0, 1)


def test_a_stop_that_begins_during_a_look_does_not_count(beside: Beside) -> None:
    beside.game.slow = True
    beside.game.runs = False  # the answer of a look that finds it stopped already
    beside.game.during = lambda: (setattr(beside.game, "runs", True), beside.exchange())  # type: ignore[assignment]
    beside.watch.look()
    assert beside.counts == (0, 0)


def test_an_end_while_no_daemon_looked_is_counted_by_the_next_one(beside: Beside) -> None:
    before = beside.watch.seen
    beside.game.runs = False
    beside.restart()
    assert beside.watch.seen == before
    assert beside.look() == (0, 1)
    beside.restart()
    assert beside.look() == (0, 1)


def test_a_game_that_a_dead_daemon_stopped_did_not_crash(beside: Beside) -> None:
    FlagFile(beside.folder / "game-was-stopped").set()
    beside.game.slow, beside.game.runs = True, False
    beside.restart()
    beside.server.recover(settled=lambda: True)
    assert eventually(lambda: not beside.server.stopped_it)
    assert beside.look() == (0, 0)
    assert beside.look(runs=True) == (0, 0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"counters": 1, "running": true}', b'{"other": 1}'])
def test_counts_that_are_lost_begin_anew_under_another_id(beside: Beside, content: bytes) -> None:
    beside.look(runs=False)
    before = beside.watch.seen
    assert before is not None
    (beside.folder / "game-seen.json").write_bytes(content)
    beside.restart()
    assert beside.look(runs=True) == (0, 0)
    assert beside.watch.seen is not None
    assert beside.watch.seen.counters != before.counters


def test_a_full_disk_does_not_end_the_watch(beside: Beside) -> None:
    (beside.folder / "game-seen.new").mkdir()
    assert beside.look(runs=False) == (0, 1)
    (beside.folder / "game-seen.new").rmdir()
    assert beside.look(runs=True) == (1, 1)
    kept = beside.watch.seen
    beside.restart()
    assert beside.watch.seen == kept is not None
