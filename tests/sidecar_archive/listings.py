"""Packing with a listing, handmade listings, and previews of restoring them."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.archive.pack import PackResult, tree_pack
from sidecar.exclusion.patterns import NO_EXCLUDE, Exclude
from sidecar.preview.changes import PATHS_MAX, PathsPage, Preview
from sidecar.preview.comparison import restore_preview
from sidecar.restore.reading.chosen import EVERYTHING, Chosen
from wire.enums import ChangeKind, Mode
from wire.listing import Entry, Listing

HEAD = b"savepoint-listing 1 1700000000000000000\n"
LONG_AGO_NS = 1_600_000_000_000_000_000


@dataclass
class Bytes:
    data: bytearray = field(default_factory=bytearray)

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        self.data += data


@dataclass(frozen=True)
class Packed:
    archive: bytes
    listing: bytes
    result: PackResult

    def entries(self) -> list[Entry]:
        return list(Listing([self.listing]).entries())


def packed(root: Path, *, exclude: Exclude = NO_EXCLUDE) -> Packed:
    archive, listing = Bytes(), Bytes()
    result = tree_pack(
        root=root,
        sink=archive,
        on_progress=lambda _: None,
        cancelled=lambda: False,
        listing=listing,
        exclude=exclude,
    )
    return Packed(bytes(archive.data), bytes(listing.data), result)


def listing_of(*lines: bytes, head: bytes = HEAD, end: bytes | None = None) -> bytes:
    """A listing of any lines; its end is correct unless `end` is given."""
    told = b"end %d\n" % len(lines) if end is None else end
    return gzip.compress(head + b"".join(line + b"\n" for line in lines) + told)


def file_line(path: bytes, *, content: bytes = b"", mode: int = 0o644) -> bytes:
    owner = (os.geteuid(), os.getegid())
    return b"f %d %d %d %d %d %d %b %%" % (mode, *owner, LONG_AGO_NS, len(content), zlib.crc32(content), path)


def preview(
    root: Path,
    listing: bytes | Iterable[bytes],
    mode: Mode = Mode.REPLACE,
    *,
    chosen: Chosen = EVERYTHING,
    after: bytes = b"",
    limit: int = PATHS_MAX,
) -> Preview:
    return restore_preview(
        root=root,
        listing=[listing] if isinstance(listing, bytes) else listing,
        mode=mode,
        chosen=chosen,
        page=PathsPage(after=after, limit=limit),
        check=lambda: None,
    )


@contextmanager
def as_nobody() -> Iterator[None]:
    """Take from this process root's right to read everything, if it has that."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def traces(root: Path) -> dict[bytes, tuple[int, ...]]:
    """The state of a folder that any write would change, access times included."""
    paths = [os.fsencode(root)]
    for folder, folders, files in os.walk(os.fsencode(root)):
        paths += [os.path.join(folder, name) for name in (*folders, *files)]  # noqa: PTH118 - bytes
    found = {}
    for path in paths:
        status = os.lstat(path)
        # Reading a link and listing a folder may change access times.
        read = status.st_atime_ns if stat.S_ISREG(status.st_mode) else 0
        found[path] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, read)
    return found


def told(found: Preview) -> list[tuple[ChangeKind, bytes, int]]:
    """The changes of a page, without their names."""
    return [(change.kind, change.path, change.size_bytes) for change in found.changes]
