"""Decides by size, name and content how a file is cut into chunks."""

from __future__ import annotations

import struct
from enum import Enum

from repository.chunked.manifest.records import HEADER_SIZE

KIB = 1 << 10
SECTOR_SIZE = 4 * KIB
BUNDLED_SIZE_MAX = 128 * KIB
# The beginning of a file that `rule_by_content` reads.
HEAD_SIZE = SECTOR_SIZE

_REGION_NAMES = (b".mca", b".mcr")
# Files that engines write in place, page by page; not all of them have a signature.
_DATABASE_NAMES = (b".db", b".db3", b".sqlite", b".sqlite3", b".ibd", b".mdb", b".myd", b".myi")
_DATABASE_MAGICS = (b"SQLite format 3\x00",)
_LOCATIONS = struct.Struct(">1024I")


class Rule(Enum):
    """The ways to cut a file.

    `BUNDLED`: several files share a chunk. `CONTENT`: by content (FastCDC). `GRID`: every MiB, and as deltas by the
    sector against the parent. `REGION`: as `GRID`, with the header of a region file in a chunk of its own.
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
        """The size of the header block in bytes, 0 without one."""
        return HEADER_SIZE if self is Rule.REGION else 0


def rule_by_name(path: bytes, size: int) -> Rule:
    """The rule that name and size suggest, for `rule_by_content` to confirm."""
    if size <= BUNDLED_SIZE_MAX:
        return Rule.BUNDLED
    name = path.lower()
    if name.endswith(_REGION_NAMES):
        return Rule.REGION
    return Rule.GRID if name.endswith(_DATABASE_NAMES) else Rule.CONTENT


def rule_by_content(suggested: Rule, size: int, head: bytes) -> Rule:
    """The final rule, by the first 4 KiB: they may reveal a false region file, or a database of any name."""
    if suggested is Rule.BUNDLED:
        return suggested
    if head.startswith(_DATABASE_MAGICS):
        return Rule.GRID
    if suggested is Rule.REGION and not _is_region(size, head):
        return Rule.CONTENT
    return suggested


def _is_region(size: int, head: bytes) -> bool:
    """Whether this is the location table of a region file: 1,024 locations in sectors, all inside the file.

    Each location has three bytes of offset and one of length (Minecraft's region format); 0 is an unused one.
    """
    if len(head) < _LOCATIONS.size:
        return False
    places = [place for place in _LOCATIONS.unpack(head[: _LOCATIONS.size]) if place]
    end = -(-size // SECTOR_SIZE)
    return bool(places) and all(place >> 8 >= 2 and (place >> 8) + (place & 255) <= end for place in places)  # noqa: PLR2004
