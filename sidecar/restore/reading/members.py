"""The members that a restore makes the data of: all that comparing, staging and exchanging know of a format.

A format is a source of members: a `.tar.gz` (`tar`), or any other that can give them in passes. A restore reads them
from the beginning once to compare them with the live data, once to stage what differs, and once more for each time
that a game changed files meanwhile.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from trees.metadata import Metadata

ZEROS = bytes(8 << 20)
"""Content that is a view of this object is a hole."""


class MemberKind(enum.Enum):
    """The kinds of members. There are no devices, FIFOs or sockets."""

    FILE = enum.auto()
    DIRECTORY = enum.auto()
    SYMLINK = enum.auto()
    HARDLINK = enum.auto()


@dataclass(frozen=True, slots=True)
class Member:
    """One entry: `path` is checked (`member_paths`) and relative to the data root; `link` is a symlink's target as it
    stands in the source, or a hard link's checked path; `size` is that of a FILE in bytes, its holes included.
    """

    kind: MemberKind
    path: bytes
    link: bytes
    size: int
    metadata: Metadata


class Compared(NamedTuple):
    """The next bytes of a member's content: how many, how many of them are in no hole, and whether a live file has had
    all content so far.
    """

    size: int
    dense: int
    same: bool


class MemberReader(Protocol):
    """One pass over the members.

    A hard link comes after its file, and of several members of one path the last one counts. All methods raise
    ArchiveDamaged for a source that contradicts itself, ArchiveRefused for more than its limits allow or for a member
    that could reach outside the data root, SourceFailed where it cannot be read.
    """

    def members(self) -> Iterator[Member]:
        """Yield every member, in the same order in each pass; all of the source has been checked at the end."""
        ...

    def content(self) -> Iterator[memoryview]:
        """Yield the content of the member last given, each piece valid until the next is asked for; it may be left
        unread. A hole is made of views of `ZEROS`.
        """
        ...

    def compare(self, live: int | None) -> Iterator[Compared]:
        """Compare the content of the member last given with an open live file, if there is one: its size is right, and
        it is read from its beginning, no further than it is the same. A source that knows a hash needs no content.
        """
        ...


class Members(Protocol):
    """A source of members. No pass binds the next one: each checks everything again."""

    @property
    def least_bytes(self) -> int:
        """Bytes that the members are known to take before any was read."""
        ...

    def read(self) -> AbstractContextManager[MemberReader]:
        """Begin a pass; there is one at a time."""
        ...


def dense_bytes(piece: memoryview) -> int:
    """The bytes that a piece of content takes on a volume: none when it is a hole."""
    return 0 if piece.obj is ZEROS else len(piece)


def content_compare(content: Iterable[memoryview], live: int | None) -> Iterator[Compared]:
    """Compare content byte for byte with an open live file, as `MemberReader.compare` has it."""
    same = live is not None
    for piece in content:
        same = same and live is not None and _next_equals(live, piece)
        yield Compared(len(piece), dense_bytes(piece), same)


def _next_equals(fd: int, piece: memoryview) -> bool:
    while piece:
        part = os.read(fd, len(piece))
        if not part or part != piece[: len(part)].tobytes():
            return False
        piece = piece[len(part) :]
    return True
