"""The consistency of data packed while the game holds still, stops or runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.game.errors import GameError
from sidecar.game.flag_file import FlagFile
from sidecar.game.game import Game
from sidecar.game.profiles import Profile
from sidecar.game.quiescence import Quiescence
from sidecar.game.settings import GameSettings
from wire.enums import Consistency

PATIENCE_SECONDS = 20.0


class ScriptedGame(Profile):
    """A game with scripted results of `resume`."""

    can_quiesce = True

    def __init__(self, *resumes: bool | GameError, max_seconds: float = 3600.0) -> None:
        super().__init__(GameSettings(quiesce_max_seconds=max_seconds))
        self.told: list[str] = []
        self.resumes = list(resumes)
        self.goes_on = threading.Event()

    def quiesce(self, *, before: Callable[[], None]) -> None:
        before()
        self.told.append("quiesce")

    def resume(self) -> bool:
        self.told.append("resume")
        word = self.resumes.pop(0) if self.resumes else True
        if isinstance(word, GameError):
            raise word
        self.goes_on.set()
        return word


@pytest.fixture
def mark(tmp_path: Path) -> FlagFile:
    return FlagFile(tmp_path / "mark")


def test_mark_exists_from_before_the_quiesce_until_the_resume(mark: FlagFile) -> None:
    game = ScriptedGame()
    seen = []
    told = game.quiesce
    game.quiesce = lambda *, before: (told(before=before), seen.append(mark.present()))  # type: ignore[method-assign]
    quiescence = Quiescence(game, mark)
    hold = quiescence.enter()
    assert hold is not None
    assert seen == [True]
    assert mark.present()
    assert quiescence.leave(hold)
    assert not mark.present()


def test_the_last_of_several_lets_the_game_go_on(mark: FlagFile) -> None:
    game = ScriptedGame()
    quiescence = Quiescence(game, mark)
    first, second = quiescence.enter(), quiescence.enter()
    assert first is not None
    assert first is second
    assert quiescence.leave(first)
    assert game.told == ["quiesce"]
    assert mark.present()
    assert quiescence.leave(first)
    assert game.told == ["quiesce", "resume"]


def test_expired_hold_is_worth_nothing_and_the_next_is_independent(mark: FlagFile) -> None:
    game = ScriptedGame(max_seconds=0.05)
    quiescence = Quiescence(game, mark)
    overdue = quiescence.enter()
    assert overdue is not None
    assert game.goes_on.wait(PATIENCE_SECONDS)
    game.settings = GameSettings()
    other = quiescence.enter()
    assert other is not None
    assert not quiescence.leave(overdue)
    assert game.told == ["quiesce", "resume", "quiesce"]
    assert quiescence.leave(other)


def test_game_that_resumed_by_itself_was_not_quiesced(mark: FlagFile) -> None:
    quiescence = Quiescence(ScriptedGame(False), mark)
    hold = quiescence.enter()
    assert hold is not None
    assert not quiescence.leave(hold)
    assert not mark.present()


def test_game_with_a_pending_resume_is_not_quiesced_again(mark: FlagFile) -> None:
    # The second result is for the next hold or the retry thread, whichever comes first.
    game = ScriptedGame(*[GameError("no answer")] * 1000)
    quiescence = Quiescence(game, mark)
    hold = quiescence.enter()
    assert hold is not None
    assert not quiescence.leave(hold)
    assert mark.present()
    assert quiescence.enter() is None
    assert game.told.count("quiesce") == 1
    game.resumes.clear()
    assert game.goes_on.wait(PATIENCE_SECONDS)
    again = quiescence.enter()
    assert again is not None
    assert quiescence.leave(again)
    quiescence.finish()


def test_a_mark_that_cannot_be_written_leaves_the_game_alone(tmp_path: Path) -> None:
    game = ScriptedGame()
    assert Quiescence(game, FlagFile(tmp_path / "no folder" / "mark")).enter() is None
    assert game.told == []


def looked(tmp_path: Path, *codes: int, quiesce: bool = True) -> tuple[Consistency, str]:
    """The consistency when each probe of the game exits with the next code, and the commands that were run."""
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    ran = tmp_path / "ran"
    look = f"cd {tmp_path}; code=$(head -n 1 codes); sed -i 1d codes; echo look >> ran; exit $code"
    settings = GameSettings(
        profile="generic",
        quiesce_command=("sh", "-c", f"echo quiesce >> {ran}"),
        resume_command=("sh", "-c", f"echo resume >> {ran}"),
        running_command=("sh", "-c", look),
    )
    with Game(settings, folder=tmp_path).watched(quiesce=quiesce) as watch:
        consistency = watch.end()
    return consistency, " ".join(ran.read_text().split())


@pytest.mark.parametrize(
    ("codes", "quiesce", "expected", "ran"),
    [
        ((1, 1), True, Consistency.STOPPED, "look look"),
        ((1, 1), False, Consistency.STOPPED, "look look"),
        ((1, 0), True, Consistency.LIVE, "look look"),
        ((1, 127), True, Consistency.LIVE, "look look"),
        ((0,), True, Consistency.QUIESCED, "look quiesce resume"),
        ((0,), False, Consistency.LIVE, "look"),
        ((127,), True, Consistency.QUIESCED, "look quiesce resume"),
        ((126,), False, Consistency.LIVE, "look"),
    ],
)
def test_a_game_is_stopped_only_if_it_is_so_before_and_after(
    tmp_path: Path, codes: tuple[int, ...], expected: Consistency, ran: str, *, quiesce: bool
) -> None:
    assert looked(tmp_path, *codes, quiesce=quiesce) == (expected, ran)
