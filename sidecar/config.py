"""The daemon's configuration file, read and checked before the daemon starts.

TOML with these keys; every path is absolute:

    data_root      the game server's files: an existing folder
    scratch        the daemon's own folder, outside the data root; created when it is missing
    listen         "127.0.0.1:7331" (a loopback address; port 0: any) or "unix:/run/savepoint.sock"; with a tls_folder
                   any address of this machine
    token_file     holds the secret shared with the portal, readable by its owner only
    tls_folder     instead of token_file: holds key and certificates, as `savepoint-sidecar enrol` makes them
    drain_seconds  optional: how long running calls may take to finish after SIGTERM, 10 by default
    read_bytes_a_second  optional: the bytes of content that backups read a second at most, all together; 0, the
                   default, is no limit
    follow_links_into  optional: existing folders of this server alone, outside all of the above. A symbolic link in the
                   data root that leads to a folder in one of them is backed up as that folder, and restored into it
    volumes        optional: an existing folder of this server alone, outside all of the above, which only its owner can
                   write to. Restores may make new volumes in it, each a folder named by its id
    [game]         optional table: the game server, as `sidecar.game.settings` describes it
"""

import ipaddress
import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sidecar.checks import absolute, seconds, secret
from sidecar.errors import StartError
from sidecar.game.settings import GameSettings, game_read

# A lower limit would keep a message from being filled before the other end gives up.
_BANDWIDTH_LEAST: Final = 1 << 20
_DRAIN_SECONDS: Final = 10.0
_TOKEN_CHARACTERS: Final = 16
_UNIX: Final = "unix:"
# The size of sockaddr_un.sun_path, less its final zero.
_SOCKET_PATH_BYTES: Final = 107
_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class Config:
    """The checked configuration: the folders, the address, the secret of the callers, and the game."""

    data_root: Path
    scratch: Path
    listen: str
    token: str = field(repr=False)
    drain_seconds: float
    game: GameSettings = field(default_factory=GameSettings)
    tls_folder: Path | None = None
    follow_links_into: tuple[Path, ...] = ()
    read_bytes_a_second: int = 0
    volumes: Path | None = None

    @property
    def socket_path(self) -> str:
        """The path of the Unix socket; empty for a TCP port."""
        return self.listen.removeprefix(_UNIX) if self.listen.startswith(_UNIX) else ""


def config_read(path: Path) -> Config:
    """Read and check the file. Raises `StartError` for the first mistake in it."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"{path} is not TOML: {error}") from error
    if unknown := sorted(set(values) - set(_KEYS)):
        raise StartError(f"{path}: unknown key {unknown[0]!r}")
    checked: dict[str, Any] = {}
    for key, (check, default) in _KEYS.items():
        if key not in values and default is None:
            raise StartError(f"{path}: {key!r} is missing")
        try:
            checked[key] = check(values.get(key, default))
        except ValueError as error:
            raise StartError(f"{path}: {key} {error}") from error
    try:
        _require_apart(**{key: checked[key] for key in ("data_root", "scratch", "tls_folder")})
        _require_alone(**{key: checked[key] for key in ("follow_links_into", "data_root", "scratch", "tls_folder")})
        _require_own(
            **{key: checked[key] for key in ("volumes", "follow_links_into", "data_root", "scratch", "tls_folder")}
        )
        _require_guard(**{key: checked[key] for key in ("listen", "token_file", "tls_folder")})
    except ValueError as error:
        raise StartError(f"{path}: {error}") from error
    return Config(token=checked.pop("token_file"), **checked)


def _data_root(value: object) -> Path:
    root = absolute(value)
    if not root.is_dir():
        raise ValueError("is not an existing folder")
    return root


def _link_roots(value: object) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise ValueError("must be a list of folders")  # noqa: TRY004 - a mistake in the file
    roots = tuple(absolute(item) for item in value)
    if not all(root.is_dir() for root in roots):
        raise ValueError("must contain existing folders only")
    if Path("/") in roots:
        raise ValueError("must not contain the root folder")
    return roots


def _volumes(value: object) -> Path | None:
    if value == "":
        return None
    folder = absolute(value)
    if not folder.is_dir():
        raise ValueError("is not an existing folder")
    # Another user could put a link in the place of a volume that is being made.
    if folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError("must not be writable by others")
    return folder


def _bandwidth(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or 0 < value < _BANDWIDTH_LEAST:
        raise ValueError(f"must be a number of bytes, at least {_BANDWIDTH_LEAST}, or 0")
    return value


def _token(value: object) -> str:
    if value == "":
        return ""
    return secret(value, characters=_TOKEN_CHARACTERS)


def _tls_folder(value: object) -> Path | None:
    # The daemon checks the content when it starts: `enrol`, which fills the folder, reads this file too.
    return None if value == "" else absolute(value)


def _require_guard(*, listen: str, token_file: str, tls_folder: Path | None) -> None:
    """Raise ValueError unless there is exactly one way to authenticate callers, and it suits the address."""
    if tls_folder is None:
        if not token_file:
            raise ValueError("'token_file' is missing")
        if not listen.startswith(_UNIX) and not ipaddress.ip_address(_host(listen)).is_loopback:
            raise ValueError(
                "listen must be a loopback address: the token must not cross a network in plain text; "
                "beyond this machine goes TLS ('tls_folder')"
            )
        return
    if token_file:
        raise ValueError("token_file and tls_folder exclude each other: over TLS the certificate says who calls")
    if listen.startswith(_UNIX):
        raise ValueError("tls_folder needs a port to listen on, and a socket is guarded by its mode and a token")


def _listen(value: object) -> str:
    text = value if isinstance(value, str) else ""
    if text.startswith(_UNIX):
        return _UNIX + _socket(text.removeprefix(_UNIX))
    _, _, port = text.rpartition(":")
    try:
        ipaddress.ip_address(_host(text))
    except ValueError:
        raise ValueError('must be like "127.0.0.1:7331" or "unix:/path"') from None
    if not port.isdecimal() or int(port) > _PORT_MAX:
        raise ValueError("must end in a port")
    return text


def _host(listen: str) -> str:
    return listen.rpartition(":")[0].removeprefix("[").removesuffix("]")


def _socket(value: str) -> str:
    path = absolute(value)
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise ValueError(f"must name a socket of at most {_SOCKET_PATH_BYTES} bytes")
    if not path.parent.is_dir():
        raise ValueError("must name a socket in an existing folder")
    return str(path)


def _require_apart(*, data_root: Path, scratch: Path, tls_folder: Path | None) -> None:
    """Raise ValueError when a backup could include the daemon's own files, or a restore remove them."""
    if _overlap(data_root, scratch):
        raise ValueError("scratch and data_root must not lie in each other")
    if tls_folder is not None and (_overlap(data_root, tls_folder) or _overlap(scratch, tls_folder)):
        raise ValueError("tls_folder must not lie in data_root or scratch, nor around them")


def _require_alone(
    *, follow_links_into: tuple[Path, ...], data_root: Path, scratch: Path, tls_folder: Path | None
) -> None:
    """Raise ValueError when a link could lead to the data root, to the daemon's own folders, or to another link's."""
    others = [data_root, scratch] if tls_folder is None else [data_root, scratch, tls_folder]
    for number, root in enumerate(follow_links_into):
        if any(_overlap(root, other) for other in [*others, *follow_links_into[:number]]):
            raise ValueError("follow_links_into must not overlap data_root, scratch, tls_folder or itself")


def _require_own(
    *,
    volumes: Path | None,
    follow_links_into: tuple[Path, ...],
    data_root: Path,
    scratch: Path,
    tls_folder: Path | None,
) -> None:
    """Raise ValueError when a volume could lie in a backup or in the daemon's own folders."""
    others = [data_root, scratch, *follow_links_into, *([tls_folder] if tls_folder else [])]
    if volumes is not None and any(_overlap(volumes, other) for other in others):
        raise ValueError("volumes must not overlap data_root, scratch, tls_folder or follow_links_into")


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


_KEYS: Final[dict[str, tuple[Callable[[object], object], object]]] = {
    "data_root": (_data_root, None),
    "scratch": (absolute, None),
    "listen": (_listen, None),
    "token_file": (_token, ""),
    "tls_folder": (_tls_folder, ""),
    "follow_links_into": (_link_roots, []),
    "drain_seconds": (seconds, _DRAIN_SECONDS),
    "read_bytes_a_second": (_bandwidth, 0),
    "volumes": (_volumes, ""),
    "game": (game_read, {}),
}
