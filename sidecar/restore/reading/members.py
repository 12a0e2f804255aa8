"""The members of a restore: the interface between a format and comparing, staging and exchanging.

A format is a source of members: a `.tar.gz` (`tar`), or any other that can be read in passes. A restore makes one pass
to compare the members with the live data, one to stage the differing ones, and one more each time that a game has
changed files meanwhile.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from trees.metadata import Metadata

ZEROS = bytes(8 << 20)
"""A piece of content that is a view of this object is a hole."""


class MemberKind(enum.Enum):
    """The kinds of members. There are no devices, FIFOs or sockets."""

    FILE = enum.auto()
    DIRECTORY = enum.auto()
    SYMLINK = enum.auto()
    HARDLINK = enum.auto()


@dataclass(frozen=True, slots=True)
class Member:
    """One entry. `path`: checked (`member_paths`), relative to the data root. `link`: a symlink's unchecked target, or
    a hard link's checked path. `size`: that of a FILE in bytes, including holes. `xattrs`: the `user.*` attributes of a
    FILE or DIRECTORY, None when the source does not know them.
    """

    kind: MemberKind
    path: bytes
    link: bytes
    size: int
    metadata: Metadata
    xattrs: Mapping[bytes, bytes] | None = None


Wanted = Callable[[Member], bool]
"""Decides whether the content of a FILE will be read; called once for each in order, maybe ahead of its turn."""


class Compared(NamedTuple):
    """A step of comparing content: the number of bytes, the number outside holes, and whether the live file has matched
    so far.
    """

    size: int
    dense: int
    same: bool


class MemberReader(Protocol):
    """One pass over the members.

    A hard link comes after its file. Of several members of one path the last one counts. All methods raise
    ArchiveDamaged for an inconsistent source, ArchiveRefused for a source beyond its limits or a member that could
    reach outside the data root, and SourceFailed when the source cannot be read.
    """

    def members(self) -> Iterator[Member]:
        """Yield every member, in the same order in each pass. At the end the whole source has been checked."""
        ...

    def content(self) -> Iterator[memoryview]:
        """Yield the content of the current member; each piece is valid until the next iteration. The content may be
        left unread. A hole consists of views of `ZEROS`. Raises as soon as the content is known to be damaged.
        """
        ...

    def compare(self, live: int | None) -> Iterator[Compared]:
        """Compare the content of the current member with an open live file of the same size, or None for no file. The
        file is read from its beginning up to the first difference. A source that knows a hash needs no content.
        """
        ...


class Members(Protocol):
    """A source of members. Each pass checks everything again."""

    @property
    def least_bytes(self) -> int:
        """The least bytes that the members take, known before any was read."""
        ...

    def read(self, wanted: Wanted | None = None) -> AbstractContextManager[MemberReader]:
        """Begin a pass; only one at a time. A source that has to fetch contents asks `wanted` ahead for those to fetch;
        without it, no content is read in this pass. A source that has its contents need not ask.
        """
        ...


def dense_bytes(piece: memoryview) -> int:
    """The bytes that a piece of content takes on a volume: 0 for a hole."""
    return 0 if piece.obj is ZEROS else len(piece)


def content_compare(content: Iterable[memoryview], live: int | None) -> Iterator[Compared]:
    """Compare content byte by byte with an open live file, as `MemberReader.compare` does."""
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
