"""Data roots to pack and compare."""

from __future__ import annotations

import os
import random
import tarfile
from pathlib import Path

from isal import isal_zlib

MIB = 1 << 20


def small_world(root: Path) -> None:
    """A few files of the kinds that a game writes."""
    noise = random.Random(7)  # noqa: S311 - the same world in every run
    (root / "region").mkdir(parents=True)
    (root / "empty folder").mkdir()
    (root / "region" / "r.0.0.mca").write_bytes(noise.randbytes(3 * MIB + 17))
    (root / "level.dat").write_bytes(b"level" * 1000)
    (root / "empty").touch()
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "latest").symlink_to("level.dat")
    (root / os.fsdecode(b"not \xff UTF-8")).write_bytes(b"bytes")


def endless_world(root: Path) -> None:
    """More data than can be packed during a test, on hardly any disk space."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "world.db").open("wb") as file:
        for block in range(200):
            file.seek(block * 1024 * MIB)
            file.write(os.urandom(MIB // 16))


def large_world(root: Path, *, size: int) -> None:
    """Noise in files of 16 MiB."""
    root.mkdir(parents=True, exist_ok=True)
    for number in range(size // (16 * MIB)):
        (root / f"{number}.bin").write_bytes(os.urandom(16 * MIB))


def endless_archive(path: Path) -> None:
    """An archive of zeros that extracts far more slowly than it is made; its end is missing."""
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    zeros = _deflated(bytes(64 * MIB))
    with path.open("wb") as file:
        file.write(header)
        for number in range(8):
            member = tarfile.TarInfo(f"zeros-{number}")
            member.size = 112 * 64 * MIB
            file.write(_deflated(member.tobuf(tarfile.USTAR_FORMAT)))
            file.writelines([zeros] * 112)


def _deflated(data: bytes) -> bytes:
    """Compressed blocks that end on a byte and refer to nothing before them, so that they can be repeated."""
    compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
