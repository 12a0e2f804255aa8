"""Comparison of an archive with its folder, by code independent of the sidecar's."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Protocol, cast

from trees.paths import RESERVED_FOLDER

PIECE_BYTES = 1 << 20
DIFFERENCES_SHOWN = 20


class Readable(Protocol):
    """The part of a stream that the comparison needs."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...


@dataclass(slots=True)
class Comparison:
    """The result of a comparison: counts, and the first differences as sentences."""

    entries: int = 0
    content_bytes: int = 0
    differences: list[str] = field(default_factory=list)

    def differs(self, path: str, how: str) -> None:
        """Note a difference."""
        if len(self.differences) < DIFFERENCES_SHOWN:
            self.differences.append(f"{path!r}: {how}")


def archive_compare(archive: Readable, root: Path) -> Comparison:
    """Compare a `.tar.gz` stream with a folder that stands still: names, types, bytes, modes, times, links.

    Raises tarfile.TarError, EOFError or zlib.error when it is no whole archive.
    """
    comparison = Comparison()
    left = set(_paths(root))
    stream = cast("IO[bytes]", archive)
    with tarfile.open(fileobj=stream, mode="r|gz", bufsize=PIECE_BYTES, errors="surrogateescape") as members:
        for member in members:
            path = member.name.rstrip("/")
            if path in ("", "."):
                continue
            comparison.entries += 1
            if path in left:
                left.remove(path)
                _member_compare(comparison, members, member, root)
            else:
                comparison.differs(path, "is not in the folder, or twice in the archive")
    for path in sorted(left):
        comparison.differs(path, "is not in the archive")
    return comparison


def _paths(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        if Path(folder) == root and os.fsdecode(RESERVED_FOLDER) in folders:
            folders.remove(os.fsdecode(RESERVED_FOLDER))
        for name in (*folders, *files):
            yield os.path.relpath(os.path.join(folder, name), root)  # noqa: PTH118  # surrogates, many of them


def _member_compare(comparison: Comparison, members: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    path, status = root / member.name, (root / member.name).lstat()
    if _kind(member) != stat.S_IFMT(status.st_mode):
        comparison.differs(member.name, "is of another type")
        return
    if member.mode & 0o7777 != stat.S_IMODE(status.st_mode) and not member.issym():
        comparison.differs(member.name, f"has mode {member.mode:o} in the archive")
    if _time_ns(member) != status.st_mtime_ns:
        comparison.differs(member.name, "has another time")
    if member.issym() and member.linkname != os.readlink(path):  # noqa: PTH115  # surrogates again
        comparison.differs(member.name, "points elsewhere")
    if member.islnk() and not path.samefile(root / member.linkname):
        comparison.differs(member.name, "is a hard link to another file")
    if member.isreg():
        comparison.content_bytes += member.size
        content = members.extractfile(member)
        if content is None or not _same_bytes(content, path):
            comparison.differs(member.name, "has other bytes")


def _kind(member: tarfile.TarInfo) -> int:
    if member.isdir():
        return stat.S_IFDIR
    if member.issym():
        return stat.S_IFLNK
    return stat.S_IFREG if member.isreg() or member.islnk() else 0


def _time_ns(member: tarfile.TarInfo) -> int:
    """The exact time: the standard library keeps it as a float, which has no nanoseconds left."""
    return int(Decimal(member.pax_headers.get("mtime", member.mtime)) * 10**9)


def _same_bytes(content: IO[bytes], path: Path) -> bool:
    with path.open("rb") as file:
        while True:
            ours, theirs = content.read(PIECE_BYTES), file.read(PIECE_BYTES)
            if ours != theirs:
                return False
            if not ours:
                return True
