"""Data roots to pack and compare."""

from __future__ import annotations

import os
import random
from pathlib import Path

MIB = 1 << 20


def small_world(root: Path) -> None:
    """A few files of the kinds that a game keeps."""
    noise = random.Random(7)
    (root / "region").mkdir(parents=True)
    (root / "empty folder").mkdir()
    (root / "region" / "r.0.0.mca").write_bytes(noise.randbytes(3 * MIB + 17))
    (root / "level.dat").write_bytes(b"level" * 1000)
    (root / "empty").touch()
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "latest").symlink_to("level.dat")
    with open(os.fsencode(root) + b"/not \xff UTF-8", "wb") as file:
        file.write(b"bytes")


def endless_world(root: Path) -> None:
    """So much to pack that nobody waits for it, on hardly any disk."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "world.db").open("wb") as file:
        for block in range(200):
            file.seek(block * 1024 * MIB)
            file.write(os.urandom(MIB))


def large_world(root: Path, *, size: int) -> None:
    """Noise in files of 16 MiB."""
    root.mkdir(parents=True, exist_ok=True)
    for number in range(size // (16 * MIB)):
        (root / f"{number}.bin").write_bytes(os.urandom(16 * MIB))


def contents(root: Path) -> dict[bytes, tuple[int, bytes]]:
    """Every path with its mode and what it holds."""
    found: dict[bytes, tuple[int, bytes]] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = b""
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, os.fsencode(root))] = (status.st_mode, content)
    return found
