"""The kinds of game servers, and how to control each of them."""

import logging
from collections.abc import Callable
from typing import Final

from sidecar.game.commands import command_run
from sidecar.game.errors import GameError, GameUnreachable
from sidecar.game.rcon import Rcon
from sidecar.game.settings import GENERIC, MINECRAFT_JAVA, Argv, GameSettings

_log = logging.getLogger("sidecar")

# From this exit code on, the program could not be run, or was killed: its code answers nothing.
_NO_VERDICT: Final = 126
_REFUSALS: Final = ("unknown", "unable to", "incorrect", "an error occurred", "an unexpected error")
_ON_ALREADY: Final = ("already turned on", "already on")


class Profile:
    """A game that is known only by the operator's commands to stop, start and probe it."""

    can_quiesce = False

    def __init__(self, settings: GameSettings) -> None:
        self.settings = settings
        self.name = settings.profile
        self.can_stop = bool(settings.stop_command)

    def running(self, *, quietly: bool = False) -> bool | None:
        """Whether the game runs; None when that is unknown. `quietly`: without a line in the log."""
        if not self.settings.running_command:
            return None
        try:
            code = command_run(self.settings.running_command, timeout=self.settings.timeout_seconds, quietly=quietly)
        except GameError as error:
            if not quietly:
                _log.warning("whether the game runs is unknown: %s", error)
            return None
        return code == 0 if 0 <= code < _NO_VERDICT else None

    def stop(self) -> None:
        """Tell the game to stop. Raises GameError."""
        _require(self.settings.stop_command, timeout=self.settings.stop_seconds)

    def start(self) -> None:
        """Start the game. Raises GameError."""
        _require(self.settings.start_command, timeout=self.settings.timeout_seconds, detaching=True)

    def quiesce(self, *, before: Callable[[], None]) -> None:  # noqa: ARG002 - for profiles that can quiesce
        """Make the game write everything to disk and hold still. `before` is called before the first command that
        `resume` must undo. Raises GameError.
        """
        raise GameError("this game cannot be quiesced")

    def resume(self) -> bool:
        """Undo `quiesce`; calling it twice is no error. Returns whether the game stayed quiesced until now.

        Raises GameError when it is not certain that the game has resumed.
        """
        raise GameError("the configuration no longer says how to resume the game")


class Generic(Profile):
    """A game that is controlled by the operator's commands alone."""

    def __init__(self, settings: GameSettings) -> None:
        super().__init__(settings)
        self.can_quiesce = bool(settings.quiesce_command)

    def quiesce(self, *, before: Callable[[], None]) -> None:
        """Run the operator's command."""
        if not self.can_quiesce:
            super().quiesce(before=before)
        before()
        _require(self.settings.quiesce_command, timeout=self.settings.timeout_seconds)

    def resume(self) -> bool:
        """Run the operator's command. Whether the game stayed quiesced is unknown and is assumed."""
        if not self.can_quiesce:
            return super().resume()
        _require(self.settings.resume_command, timeout=self.settings.timeout_seconds)
        return True


class MinecraftJava(Profile):
    """Minecraft's server: RCON turns saving off while the world is read."""

    can_quiesce = True

    def quiesce(self, *, before: Callable[[], None]) -> None:
        """Turn saving off, then write everything: `flush` answers when that is done."""
        with self._session() as session:
            before()
            _told(session, "save-off")
            _told(session, "save-all flush")

    def resume(self) -> bool:
        """Turn saving on. A stopped server starts with saving on."""
        try:
            with self._session() as session:
                answer = _told(session, "save-on")
        except GameUnreachable:
            if self.running() is not False:
                raise
            return False
        # If saving is on already, a restart or another program turned it on, and the server has been writing.
        return not any(phrase in answer for phrase in _ON_ALREADY)

    def _session(self) -> Rcon:
        settings = self.settings
        return Rcon(settings.rcon, password=settings.rcon_password, timeout=settings.timeout_seconds)


_KINDS: Final[dict[str, type[Profile]]] = {GENERIC: Generic, MINECRAFT_JAVA: MinecraftJava}


def profile_of(settings: GameSettings) -> Profile:
    """The profile that the configuration names."""
    return _KINDS.get(settings.profile, Profile)(settings)


def _require(argv: Argv, *, timeout: float, detaching: bool = False) -> None:
    if code := command_run(argv, timeout=timeout, detaching=detaching):
        raise GameError(f"{argv[0]} ended with {code}")


def _told(session: Rcon, command: str) -> str:
    """The server's answer, in lower case. Only a known refusal is an error: some servers translate their answers."""
    answer = session.command(command).lower()
    if any(phrase in answer for phrase in _REFUSALS):
        raise GameError(f"the game refused {command!r}: {answer[:200]!r}")
    return answer
