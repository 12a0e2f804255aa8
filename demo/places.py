"""Where a demo game server lives: its world, and the sidecar beside it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from common.private_files import private_keep, private_write
from demo.processes import Program, sidecar_program
from demo.world import world_generate

SOCKET_PATH_BYTES = 100
"""A Unix socket's address holds little more."""


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A game server's data, and how its sidecar is started and reached."""

    data_root: Path
    listen: str
    token: str = field(repr=False)
    sidecar: Program


def place_make(*, home: Path, name: str, data_root: Path, seed: int, megabytes: int) -> DemoServer:
    """Generate the world unless it is there, and write its sidecar's configuration."""
    _world_keep(data_root, seed=seed, megabytes=megabytes)
    token_file = home / "secrets" / f"{name}.token"
    token = private_keep(token_file, lambda: secrets.token_urlsafe(32))
    listen = f"unix:{_socket_folder(home) / name}.sock"
    config = home / "sidecars" / f"{name}.toml"
    volumes = home / "volumes" / name
    volumes.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {
        "data_root": str(data_root),
        "scratch": str(home / "scratch" / name),
        "listen": listen,
        "token_file": str(token_file),
        "volumes": str(volumes),
        "drain_seconds": 2,
    }
    # Of these values JSON and TOML write the same.
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.items())
    private_write(config, "".join(lines))
    return DemoServer(data_root=data_root, listen=listen, token=token, sidecar=sidecar_program(name, config))


def _world_keep(root: Path, *, seed: int, megabytes: int) -> None:
    if root.exists():
        return
    unfinished = root.with_name(f".{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    world_generate(unfinished, seed=seed, megabytes=megabytes)
    unfinished.rename(root)


def _socket_folder(home: Path) -> Path:
    """A folder of ours for sockets: in the home, or, where that path is too long for one, in the system's temporary."""
    folder = home / "run"
    if len(os.fsencode(folder)) > SOCKET_PATH_BYTES - len("/customer-sidecar.sock"):
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"savepoint-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user.")
    return folder
