"""The table `[game]` of the configuration file, checked.

    profile             "none" (the default), "generic" or "minecraft-java"
    rcon                minecraft-java: the address of the server's RCON, "127.0.0.1:25575"
    rcon_password_file  minecraft-java: a file with its password, readable by its owner only
    quiesce_command     generic: makes the game write everything to disk and hold still
    resume_command      generic: undoes quiesce_command; it may run more than once
    stop_command        optional, any game: stops the server; needs the next two
    start_command       starts the server, and returns
    running_command     exits with 0 while the server runs; also useful alone
    timeout_seconds     optional: for each command and each answer of the game, 30 by default
    quiesce_max_seconds optional: after this time the game resumes even during packing, 3600 by default
    stop_seconds        optional: how long the server may take to stop, 120 by default
    watch_seconds       optional: the time between two looks, by running_command, whether the game runs; its starts and
                        ends are counted. 10 by default; 0: nobody looks

Commands are lists, a program and its arguments; there is no shell.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sidecar.checks import seconds, secret

NONE: Final = "none"
GENERIC: Final = "generic"
MINECRAFT_JAVA: Final = "minecraft-java"

Argv = tuple[str, ...]

_PORT_MAX: Final = 65535
_COMMANDS: Final = ("stop_command", "start_command", "running_command")
_ALLOWED: Final = {
    NONE: _COMMANDS,
    GENERIC: ("quiesce_command", "resume_command", *_COMMANDS),
    MINECRAFT_JAVA: ("rcon", "rcon_password_file", *_COMMANDS),
}
_NEEDED_TOGETHER: Final = (
    ("quiesce_command", ("resume_command",)),
    ("resume_command", ("quiesce_command",)),
    ("stop_command", ("start_command", "running_command")),
    ("start_command", ("stop_command", "running_command")),
    ("watch_seconds", ("running_command",)),
)


@dataclass(frozen=True, slots=True)
class GameSettings:
    """The settings of the game server; an empty command is not configured."""

    profile: str = NONE
    rcon: tuple[str, int] = ("", 0)
    rcon_password: str = field(default="", repr=False)
    quiesce_command: Argv = ()
    resume_command: Argv = ()
    stop_command: Argv = ()
    start_command: Argv = ()
    running_command: Argv = ()
    timeout_seconds: float = 30.0
    quiesce_max_seconds: float = 3600.0
    stop_seconds: float = 120.0
    watch_seconds: float = 10.0


def game_read(value: object) -> GameSettings:
    """Check the table. Raises ValueError with the first mistake, in words that follow "game"."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a table")  # noqa: TRY004 - the caller names mistakes, of type or not, in one way
    profile = value.get("profile", NONE)
    if not isinstance(profile, str) or profile not in _ALLOWED:
        raise ValueError(f"profile must be one of {', '.join(map(repr, _ALLOWED))}")
    _check_keys(profile, set(value) - {"profile"})
    checked: dict[str, Any] = {"profile": profile}
    for key in value.keys() - {"profile"}:
        try:
            checked[key] = _KEYS[key](value[key])
        except ValueError as error:
            raise ValueError(f"{key} {error}") from error
    if "rcon_password_file" in checked:
        checked["rcon_password"] = checked.pop("rcon_password_file")
    return GameSettings(**checked)


def _check_keys(profile: str, keys: set[str]) -> None:
    if unknown := sorted(keys - set(_KEYS)):
        raise ValueError(f"has the unknown key {unknown[0]!r}")
    if foreign := sorted(keys - set(_ALLOWED[profile]) - set(_NUMBERS)):
        raise ValueError(f"{foreign[0]} is not for the profile {profile!r}")
    if profile == MINECRAFT_JAVA:
        _require(keys, ("rcon", "rcon_password_file"), by=f"the profile {profile!r}")
    for key, others in _NEEDED_TOGETHER:
        if key in keys:
            _require(keys, others, by=key)


def _require(keys: set[str], needed: tuple[str, ...], *, by: str) -> None:
    for key in needed:
        if key not in keys:
            raise ValueError(f"{key} is missing; {by} needs it")


def _rcon(value: object) -> tuple[str, int]:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not host.isprintable() or " " in host:
        raise ValueError('must be like "127.0.0.1:25575"')
    if not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= _PORT_MAX:
        raise ValueError("must end in a port")
    return host, int(port)


def _password(value: object) -> str:
    return secret(value, characters=1)


def _argv(value: object) -> Argv:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise ValueError("must be a list: a program and its arguments")
    if any("\0" in word for word in value):
        raise ValueError("must not hold a NUL")
    if shutil.which(value[0]) is None:
        raise ValueError("must begin with an existing executable program")
    return tuple(value)


def _positive(value: object) -> float:
    number = seconds(value)
    if not number:
        raise ValueError("must be more than 0 seconds")
    return number


_NUMBERS: Final[dict[str, Callable[[object], object]]] = {
    "timeout_seconds": _positive,
    "quiesce_max_seconds": _positive,
    "stop_seconds": _positive,
    "watch_seconds": seconds,
}
_KEYS: Final[dict[str, Callable[[object], object]]] = {
    "rcon": _rcon,
    "rcon_password_file": _password,
    "quiesce_command": _argv,
    "resume_command": _argv,
    "stop_command": _argv,
    "start_command": _argv,
    "running_command": _argv,
    **_NUMBERS,
}
