"""How a file is cut into chunks: the one place that decides, by size, name and content."""

from __future__ import annotations

import struct
from enum import Enum

from repository.chunked.manifest.records import HEADER_SIZE

KIB = 1 << 10
SECTOR_SIZE = 4 * KIB
BUNDLED_SIZE_MAX = 128 * KIB
# What the rule wants to see of a file.
HEAD_SIZE = SECTOR_SIZE

_REGION_NAMES = (b".mca", b".mcr")
# Files that engines write in place, page by page, and that do not all say so at their beginning.
_DATABASE_NAMES = (b".db", b".db3", b".sqlite", b".sqlite3", b".ibd", b".mdb", b".myd", b".myi")
_DATABASE_MAGICS = (b"SQLite format 3\x00",)
_LOCATIONS = struct.Struct(">1024I")


class Rule(Enum):
    """The ways to cut a file.

    `BUNDLED`: several files make one chunk. `CONTENT`: where the content says (FastCDC).
    `GRID`: every MiB, and changes by the sector against the parent. `REGION`: the same, with a region file's
    header apart.
    """

    BUNDLED = "bundled"
    CONTENT = "content"
    GRID = "grid"
    REGION = "region"

    @property
    def in_place(self) -> bool:
        """Whether such files are rewritten in place."""
        return self in {Rule.GRID, Rule.REGION}

    @property
    def header(self) -> int:
        """The size of the first block in bytes, 0 for one like the others."""
        return HEADER_SIZE if self is Rule.REGION else 0


def rule_by_name(path: bytes, size: int) -> Rule:
    """What name and size suggest; whoever has the file's beginning asks `rule_by_content` then."""
    if size <= BUNDLED_SIZE_MAX:
        return Rule.BUNDLED
    name = path.lower()
    if name.endswith(_REGION_NAMES):
        return Rule.REGION
    return Rule.GRID if name.endswith(_DATABASE_NAMES) else Rule.CONTENT


def rule_by_content(suggested: Rule, size: int, head: bytes) -> Rule:
    """What the first 4 KiB say: a region file that is none is cut like any file, a database of any name by the grid."""
    if suggested is Rule.BUNDLED:
        return suggested
    if head.startswith(_DATABASE_MAGICS):
        return Rule.GRID
    if suggested is Rule.REGION and not _is_region(size, head):
        return Rule.CONTENT
    return suggested


def _is_region(size: int, head: bytes) -> bool:
    """Whether this is the location table of a region file: 1,024 places of chunks, in sectors, all inside the file.

    Each entry has three bytes of offset and one of length (Minecraft's region format); no place is 0.
    """
    if len(head) < _LOCATIONS.size:
        return False
    places = [place for place in _LOCATIONS.unpack(head[: _LOCATIONS.size]) if place]
    end = -(-size // SECTOR_SIZE)
    return bool(places) and all(place >> 8 >= 2 and (place >> 8) + (place & 255) <= end for place in places)  # noqa: PLR2004
