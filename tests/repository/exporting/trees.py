"""A tree with every difficulty that an archive can have, its snapshot, and archives of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

from archives.formats import ArchiveFormat
from archives.passes import CompletePass, pass_from
from archives.points import Points
from repository.chunked.exporting.export import SnapshotArchive
from tests.repository.restoring.trees import Kept, settle, write

MIB = 1 << 20
NOISE = Random(11).randbytes(5_500_000)  # noqa: S311 - content to be told apart
TEXT = b"[12:00:01] [Server thread/INFO]: Alex joined the game\n"
ODD = b"caf\xe9 \xff\n[1]\\ *"
LONG = "long" * 40 + "/" + "name" * 60
TARS = [ArchiveFormat.TAR_GZ, ArchiveFormat.TAR_ZST]


def tree_make(root: Path) -> Path:
    """Fill a folder. Its whole seconds are even: a zip archive holds no others."""
    write(root / "a" / "noise.jar", NOISE)
    write(root / "a" / "text.log", TEXT * 60_000)
    write(root / "a" / "run.sh", b"#!/bin/sh\n", mode=0o755)
    write(root / "a" / "secret", b"secret", mode=0o600)
    write(root / "empty", b"")
    write(root / "folder without files")
    write(root / "ünïcode", b"utf-8")
    write(root / LONG, b"deep")
    for number in range(60):
        write(root / "many" / f"{number:02}", NOISE[number * 100 : number * 4000])
    with write(root / "sparse.db", NOISE[:70_000]).open("r+b") as sparse:
        sparse.seek(3_000_001)
        sparse.write(TEXT)
        sparse.truncate(4_400_000)
    os.close(os.open(os.fsencode(root) + b"/" + ODD, os.O_CREAT | os.O_WRONLY))
    os.link(root / "a" / "text.log", root / "b.log")
    os.link(root / "a" / "text.log", root / "c.log")
    (root / "link").symlink_to("a/text.log")
    (root / "dangling").symlink_to(os.fsdecode(ODD) + "/nothing")
    settle(root)
    for path in root.rglob("*"):
        if path.name in {"secret", "empty"}:
            os.utime(path, ns=(0, -5_000_000_000 if path.name == "empty" else 1 << 62))
    return root


def exported(
    kept: Kept, snapshot: bytes, format_: ArchiveFormat, paths: Sequence[bytes] | None = None
) -> tuple[bytes, Points]:
    """A complete pass: the archive, and what is known of it then."""
    complete = CompletePass(SnapshotArchive(kept.opened(), snapshot=snapshot, paths=paths, format=format_))
    whole = b"".join(complete)
    return whole, Points.decode(complete.points.encoded())


def made_again(
    kept: Kept,
    snapshot: bytes,
    format_: ArchiveFormat,
    start: int,
    points: Points | None,
    *,
    least: int | None = None,
) -> bytes:
    """The archive from an offset on: all of it, or at least so many bytes."""
    archive = SnapshotArchive(kept.opened(), snapshot=snapshot, paths=None, format=format_)
    parts = pass_from(archive, start=start, points=points)
    made = b""
    for part in parts:
        made += part
        if least is not None and len(made) >= least:
            break
    return made
