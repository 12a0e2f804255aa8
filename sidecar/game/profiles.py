"""What can be done with a game server, by its kind."""

import logging
from collections.abc import Callable
from typing import Final

from sidecar.game.commands import command_run
from sidecar.game.errors import GameError, GameUnreachable
from sidecar.game.rcon import Rcon
from sidecar.game.settings import GENERIC, MINECRAFT_JAVA, Argv, GameSettings

_log = logging.getLogger("sidecar")

# From here on an exit code says that the program could not be run, or how it was killed.
_NO_VERDICT: Final = 126
_REFUSALS: Final = ("unknown", "unable to", "incorrect", "an error occurred", "an unexpected error")
_ON_ALREADY: Final = ("already turned on", "already on")


class Profile:
    """A game of which nothing more is known than the operator's commands to stop, start and look for it."""

    can_quiesce = False

    def __init__(self, settings: GameSettings) -> None:
        self.settings = settings
        self.name = settings.profile
        self.can_stop = bool(settings.stop_command)

    def running(self) -> bool | None:
        """Whether the game runs; None when nobody can tell."""
        if not self.settings.running_command:
            return None
        try:
            code = command_run(self.settings.running_command, timeout=self.settings.timeout_seconds)
        except GameError as error:
            _log.warning("whether the game runs is unknown: %s", error)
            return None
        return code == 0 if 0 <= code < _NO_VERDICT else None

    def stop(self) -> None:
        """Tell the game to stop. Raises GameError."""
        _require(self.settings.stop_command, timeout=self.settings.stop_seconds)

    def start(self) -> None:
        """Start the game. Raises GameError."""
        _require(self.settings.start_command, timeout=self.settings.timeout_seconds, detaching=True)

    def quiesce(self, *, before: Callable[[], None]) -> None:  # noqa: ARG002 - for those that can
        """Let the game write everything and then hold still. `before` is called before it is told anything that has
        to be taken back. Raises GameError.
        """
        raise GameError("this game cannot be told to hold still")

    def resume(self) -> bool:
        """Take `quiesce` back; doing so again is no error. Returns whether the game had held still until now.

        Raises GameError when it is not sure that the game goes on.
        """
        raise GameError("the configuration does not say any more how the game goes on")


class Generic(Profile):
    """A game with commands of the operator's for everything."""

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
        """Run the operator's command. Whether the game had held still is not known; it is believed."""
        if not self.can_quiesce:
            return super().resume()
        _require(self.settings.resume_command, timeout=self.settings.timeout_seconds)
        return True


class MinecraftJava(Profile):
    """Minecraft's server: saving is turned off over RCON while the world is read."""

    can_quiesce = True

    def quiesce(self, *, before: Callable[[], None]) -> None:
        """Turn saving off, then write everything: the answer to `flush` comes when that is done."""
        with self._session() as session:
            before()
            _told(session, "save-off")
            _told(session, "save-all flush")

    def resume(self) -> bool:
        """Turn saving on. A server that does not run any more starts with saving on."""
        try:
            with self._session() as session:
                answer = _told(session, "save-on")
        except GameUnreachable:
            if self.running() is not False:
                raise
            return False
        # One that was started anew in between, or told so by somebody else, has been writing.
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
    """The server's answer, in small letters. Any is taken for done but a refusal: some servers translate theirs."""
    answer = session.command(command).lower()
    if any(phrase in answer for phrase in _REFUSALS):
        raise GameError(f"the game refused {command!r}: {answer[:200]!r}")
    return answer
