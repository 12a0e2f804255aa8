"""The daemon's configuration file, read and checked before anything starts.

TOML with these keys; every path is absolute:

    data_root      the game server's files: an existing folder
    scratch        the daemon's own folder, outside the data root; created when it is missing
    listen         "127.0.0.1:7331" (a loopback address; port 0: any) or "unix:/run/savepoint.sock"
    token_file     holds the secret shared with the portal, readable by its owner only
    drain_seconds  optional: how long running calls may take to finish after SIGTERM, 10 by default
"""

import ipaddress
import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sidecar.starting import StartError

_DRAIN_SECONDS: Final = 10.0
_TOKEN_CHARACTERS: Final = 16
_UNIX: Final = "unix:"
# sockaddr_un.sun_path, less its final zero.
_SOCKET_PATH_BYTES: Final = 107
_PORT_MAX: Final = 65535
_ANYBODY_ELSE: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Config:
    """What the daemon serves, where it works and listens, and the secret that its callers must know."""

    data_root: Path
    scratch: Path
    listen: str
    token: str = field(repr=False)
    drain_seconds: float

    @property
    def socket_path(self) -> str:
        """The Unix socket it listens on; empty for a TCP port."""
        return self.listen.removeprefix(_UNIX) if self.listen.startswith(_UNIX) else ""


def config_read(path: Path) -> Config:
    """Read and check the file. Raises `StartError` for the first thing that is wrong with it."""
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
    if _overlap(checked["data_root"], checked["scratch"]):
        raise StartError(f"{path}: scratch and data_root must not lie in each other")
    return Config(token=checked.pop("token_file"), **checked)


def _absolute(value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError("must be an absolute path")
    return Path(os.path.realpath(value))


def _data_root(value: object) -> Path:
    root = _absolute(value)
    if not root.is_dir():
        raise ValueError("is not an existing folder")
    return root


def _token(value: object) -> str:
    path = _absolute(value)
    try:
        readable_by_others = path.stat().st_mode & _ANYBODY_ELSE
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Its message would quote the secret.
        raise ValueError("must hold printable ASCII") from None
    if readable_by_others:
        raise ValueError("must be accessible to its owner only (chmod 600)")
    if len(token) < _TOKEN_CHARACTERS or not token.isprintable() or " " in token:
        raise ValueError(f"must hold one secret of at least {_TOKEN_CHARACTERS} characters without spaces")
    return token


def _listen(value: object) -> str:
    text = value if isinstance(value, str) else ""
    if text.startswith(_UNIX):
        return _UNIX + _socket(text.removeprefix(_UNIX))
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError('must be like "127.0.0.1:7331" or "unix:/path"') from None
    if not port.isdecimal() or int(port) > _PORT_MAX:
        raise ValueError("must end in a port")
    if not address.is_loopback:
        raise ValueError("must be a loopback address: the token must not cross a network in plain text")
    return text


def _socket(value: str) -> str:
    path = _absolute(value)
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise ValueError(f"must name a socket of at most {_SOCKET_PATH_BYTES} bytes")
    if not path.parent.is_dir():
        raise ValueError("must name a socket in an existing folder")
    return str(path)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError("must be a number of seconds")
    return float(value)


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


_KEYS: Final[dict[str, tuple[Callable[[object], object], object]]] = {
    "data_root": (_data_root, None),
    "scratch": (_absolute, None),
    "listen": (_listen, None),
    "token_file": (_token, None),
    "drain_seconds": (_seconds, _DRAIN_SECONDS),
}
