"""The game server of one daemon."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sidecar.game.flag_file import FlagFile
from sidecar.game.profiles import profile_of
from sidecar.game.quiescence import QuiesceHold, Quiescence
from sidecar.game.server import GameServer
from sidecar.game.settings import GameSettings
from sidecar.game.watching import GameSeen, GameWatch
from wire.enums import Consistency


class Game:
    """The daemon's control of the game server: quiescence and stopping."""

    def __init__(self, settings: GameSettings, *, folder: Path) -> None:
        """`folder` holds the state that outlives the daemon."""
        self._profile = profile_of(settings)
        self._quiescence = Quiescence(self._profile, FlagFile(folder / "game-holds-still"))
        self.server = GameServer(self._profile, FlagFile(folder / "game-was-stopped"))
        self._watch = GameWatch(self._profile, self.server, folder / "game-seen.json")

    @property
    def name(self) -> str:
        """The profile's name."""
        return self._profile.name

    @property
    def can_quiesce(self) -> bool:
        """Whether the game can be quiesced."""
        return self._profile.can_quiesce

    @property
    def can_stop(self) -> bool:
        """Whether the game server can be stopped and started."""
        return self._profile.can_stop

    @property
    def seen(self) -> GameSeen | None:
        """What is known of the game's starts and ends; None where nobody looks, or there was no answer yet."""
        return self._watch.seen

    def recover(self, *, settled: Callable[[], bool]) -> None:
        """Undo in the background what a dead daemon left, and begin to look whether the game runs.

        `settled` tells whether no extraction is half done.
        """
        self._quiescence.recover()
        self.server.recover(settled=settled)
        self._watch.begin()

    def finish(self) -> None:
        """Resume the game before the daemon exits."""
        self._watch.finish()
        self._quiescence.finish()
        self.server.finish()

    @contextmanager
    def watched(self, *, quiesce: bool) -> Iterator["Watch"]:
        """Observe the game inside the block, quiesced if `quiesce` asks for it. Never raises."""
        stopped = self._profile.running() is False
        hold = self._quiescence.enter() if quiesce and self.can_quiesce and not stopped else None
        watch = Watch(self, stopped=stopped, hold=hold)
        try:
            yield watch
        finally:
            watch.end()

    def still_stopped(self) -> bool:
        """Whether the game is known to be stopped."""
        return self._profile.running() is False

    def let_go(self, hold: QuiesceHold) -> bool:
        """End a hold; returns whether the game stayed quiesced until now."""
        return self._quiescence.leave(hold)


class Watch:
    """The observation of the game from `Game.watched` until `end`."""

    def __init__(self, game: Game, *, stopped: bool, hold: QuiesceHold | None) -> None:
        self._game = game
        self._stopped = stopped
        self._hold = hold
        self._ended: Consistency | None = None

    def end(self) -> Consistency:
        """Resume the game; returns the consistency of the data read meanwhile. Later calls only return it again."""
        if self._ended is None:
            self._ended = Consistency.LIVE
            if self._hold is not None:
                if self._game.let_go(self._hold):
                    self._ended = Consistency.QUIESCED
            elif self._stopped and self._game.still_stopped():
                self._ended = Consistency.STOPPED
        return self._ended
