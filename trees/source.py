"""What a snapshot asks of the place whose files it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import NamedTuple, Protocol

from trees.trust import Stat


class Kind(IntEnum):
    """The kinds of records of a manifest; a source yields all but PART."""

    FOLDER = 0
    FILE = 1
    SYMLINK = 2
    HARDLINK = 3
    PART = 4
    SKIPPED = 5


class SourceEntry(NamedTuple):
    """One thing found at `path` (bytes, relative, `/` between names; the root folder is empty).

    `size` is a file's, else 0. `target` is what a symbolic link says, the path of a hard link's first name (yielded
    before, as a file), or the reason why something was skipped. What was skipped has no `stat`.
    """

    kind: Kind
    path: bytes
    stat: Stat | None
    size: int
    target: bytes | None


class SourceGone(Exception):
    """A file that was found cannot be read now; the message is a reason to list, free of paths."""


class SourceFailed(Exception):
    """The source cannot go on at all, which says nothing of any file; the message is free of paths."""


class Changes(Protocol):
    """A part of a file compared with what a parent snapshot holds of it."""

    hashes: bytes
    """The hashes of all the part's blocks as they are now, whole once the runs are read to their end."""

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """Runs of changed bytes: offset in the file and bytes, in order, valid until the next is asked for.

        Whatever no run covers is byte for byte what the parent holds at that offset.
        """


class SourceFile(Protocol):
    """An open file."""

    def data_ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The ranges from `start` to `stop` that hold data, in order; between them are holes, which read as zeros."""

    def readinto(self, view: memoryview, offset: int) -> int:
        """Fill the view from that offset; returns less than its length only at the end of the file."""

    def changes(self, start: int, stop: int, *, header: int, known: bytes) -> Changes:
        """The part from `start` to `stop` against the parent's, whose blocks have the `known` hashes.

        Blocks are those of FORMAT.md: `header` bytes first (if not 0), then 65536 each. A source that knows no more
        than these hashes gives changed blocks whole.
        """

    def xattrs(self) -> dict[bytes, bytes] | None:
        """The file's `user.*` attributes, or None when there are none."""

    def changed(self) -> bool:
        """Whether the file is no longer what it was when it was found: it may hold a mixture."""


class Source(Protocol):
    """Files to keep. Every call may raise `SourceGone`, which concerns what is asked for, or `SourceFailed`.

    Methods but `scan` are called from several threads.
    """

    def begin(self, parent: bytes | None) -> int:
        """A snapshot begins, with that parent; returns the source's time now, in ns since 1970."""

    def started(self) -> int:
        """The time at which the source's machine started, in ns since 1970 by the same clock."""

    def scan(self) -> Iterator[SourceEntry]:
        """Everything there is, in the manifest's order, the root folder first."""

    def xattrs(self, entry: SourceEntry) -> dict[bytes, bytes] | None:
        """The `user.*` attributes of a folder, or None when there are none."""

    def open(self, entry: SourceEntry, *, in_place: bool) -> AbstractContextManager[SourceFile]:
        """Open a file; `in_place` says that it is one whose changes are wanted by the sector next time."""

    def commit(self, snapshot: bytes) -> None:
        """The snapshot is stored: what was learnt of the files now describes it."""
