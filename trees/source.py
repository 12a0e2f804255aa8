"""The interface between a snapshot and the source of its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from trees.trust import Stat


class Left(StrEnum):
    """The reasons why an entry is not in a backup; the wire's warnings have the same words."""

    VANISHED = "vanished"
    UNREADABLE = "unreadable"
    SKIPPED = "skipped"
    EXCLUDED = "excluded"
    """Left out on purpose, with everything below it."""


class Kind(IntEnum):
    """The kinds of records of a manifest; a source yields all but PART."""

    FOLDER = 0
    FILE = 1
    SYMLINK = 2
    HARDLINK = 3
    PART = 4
    SKIPPED = 5


class SourceEntry(NamedTuple):
    """An entry found at `path` (bytes, relative, `/` between names; the root folder is empty).

    `size` is that of a file, else 0. `target` is the text of a symbolic link, the path of a hard link's first name
    (yielded before, as a file), or the reason (`Left`) why an entry was skipped. A skipped entry has no `stat`.
    """

    kind: Kind
    path: bytes
    stat: Stat | None
    size: int
    target: bytes | None


class Wanted(NamedTuple):
    """The part of an entry to be read: a part of a file from `span`, or the attributes of a folder (without a span).

    `known`: the hashes of the same part's blocks in the parent, of which the first has `header` bytes unless that is
    0. They are empty when the part will be read whole.
    """

    entry: SourceEntry
    span: tuple[int, int] = (0, 0)
    in_place: bool = False
    header: int = 0
    known: bytes = b""


class SourceGone(Exception):
    """A file that the scan found cannot be read now; the message is a reason (`Left`) to list."""


class SourceFailed(Exception):
    """The source as a whole cannot be read; no single file is at fault. The message is free of paths."""


class Changes(Protocol):
    """A part of a file, compared with the same part in a parent snapshot."""

    hashes: bytes
    """The current hashes of all the part's blocks, complete once the iteration has ended."""

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """Yield runs of changed bytes in order: offset in the file and bytes, valid until the next run is requested.

        Bytes outside all runs equal the parent's at the same offset.
        """


class SourceFile(Protocol):
    """An open file."""

    @property
    def is_like_parent(self) -> bool:
        """Whether it is best read as `changes`, though it is not rewritten in place.

        It was compared with the `known` hashes of what was wanted, and little changed.
        """

    def data_ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The ranges from `start` to `stop` that hold data, in order; between them are holes, which read as zeros."""

    def readinto(self, view: memoryview, offset: int) -> int:
        """Fill the view from that offset; returns less than its length only at the end of the file."""

    def changes(self, start: int, stop: int, *, header: int, known: bytes) -> Changes:
        """Compare the part from `start` to `stop` with the parent's, whose blocks have the `known` hashes.

        Blocks are those of FORMAT.md: `header` bytes first (if not 0), then 65536 each. A source that knows only these
        hashes yields changed blocks whole.
        """

    def xattrs(self) -> dict[bytes, bytes] | None:
        """The file's `user.*` attributes, or None when there are none."""

    def changed(self) -> bool:
        """Whether the file differs from the one that the scan found, so that its data may be a mixture."""


class Source(Protocol):
    """A source of files to back up. Every call may raise `SourceGone` (about its argument) or `SourceFailed`.

    Methods are called from several threads, but `scan`, `expect` and `finish` from one. `ahead`: the number of entries
    that are decided before they are read, so that a remote source is asked early; 0 when that gains nothing.
    """

    ahead: int

    def begin(self, parent: bytes | None) -> int:
        """Begin a snapshot with that parent; return the source's time now, in ns since 1970."""

    def started(self) -> int:
        """The time at which the source's machine started, in ns since 1970 by the same clock."""

    def scan(self) -> Iterator[SourceEntry]:
        """All entries, in the manifest's order, the root folder first."""

    def xattrs(self, entry: SourceEntry) -> dict[bytes, bytes] | None:
        """The `user.*` attributes of a folder, or None when there are none."""

    def expect(self, wanted: Sequence[Wanted]) -> None:
        """Announce what will be read next, in this order, and all of it. Only a source with `ahead` is told."""

    def open(
        self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None
    ) -> AbstractContextManager[SourceFile]:
        """Open a file; `in_place` asks for changes by sector in the next snapshot. Only `span` is read, if given."""

    def look(self, path: bytes) -> SourceEntry | None:
        """The file that is at a path now, whatever the scan found there; None when there is none that can be read."""

    def finish(self) -> dict[str, str]:
        """Everything is read, and the snapshot not stored yet: return labels for it."""

    def commit(self, snapshot: bytes) -> None:
        """Store the state that the source collected as that of `snapshot`, which is complete."""
