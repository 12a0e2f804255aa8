"""The tree of the golden repositories at each of their two snapshots, recreated from code."""

from __future__ import annotations

import os
import struct
from pathlib import Path

REGION, SPARSE = "world/r.0.0.mca", "world/sparse.dat"
STEP_NS = 1_700_000_000_123_456_789


def tree_first(root: Path) -> None:
    """Create the tree of the first snapshot: every kind of entry, small enough to keep forever."""
    (root / "world" / "empty").mkdir(parents=True)
    (root / "world/small").write_bytes(b"a small file\n")
    (root / "world/zero").write_bytes(b"")
    (root / REGION).write_bytes(struct.pack(">1024I", 2 << 8 | 30, *(0,) * 1023) + bytes(4096) + b"chunks! " * 17_000)
    with (root / SPARSE).open("wb") as sparse:
        sparse.truncate(900_000)
        sparse.seek(400_000)
        sparse.write(b"not a hole" * 15_000)
    (root / "world/twin").hardlink_to(root / "world/small")
    (root / os.fsdecode(b"\xff name\n")).write_bytes(b"an unusual name")
    (root / "link").symlink_to("world/small")
    os.setxattr(root / "world/small", "user.note", b"\x00\xff")
    (root / "world/small").chmod(0o640)
    (root / "world/empty").chmod(0o2750)
    _dated(root)


def tree_second(root: Path) -> None:
    """Make the changes before the second snapshot: rewrite a few sectors, remove a file, add a file."""
    for path, offset in ((REGION, 20_000), (REGION, 90_000), (SPARSE, 410_000)):
        with (root / path).open("r+b") as file:
            file.seek(offset)
            file.write(b"rewritten in place")
    (root / "link").unlink()
    (root / "new").write_bytes(b"new")
    _dated(root)


def _dated(root: Path) -> None:
    """Set the same times and modes on every machine."""
    paths = sorted(root.rglob("*"), reverse=True)
    for number, path in enumerate([*paths, root]):
        if path.is_dir() and path.name != "empty":
            path.chmod(0o755)
        elif path.name not in {"small", "twin", "empty", "link"}:
            path.chmod(0o644)
        os.utime(path, ns=(0, STEP_NS + number), follow_symlinks=False)
