"""An open file of a local folder: its data, and its changes since the parent snapshot."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Protocol, Self

from trees.attributes import attributes_of
from trees.local.changes import LocalChanges
from trees.local.scan import reason
from trees.sectors.tags import FileTags
from trees.source import Kind, Left, SourceEntry, SourceGone

Pace = Callable[[int], None]
"""Waits until so many bytes of content may be read; its error ends the reading."""

_DISK_BLOCK: Final = 512


class Openable(Protocol):
    """A tree whose entries can be opened."""

    def open(self, path: bytes) -> int:
        """Open the entry at that path for reading, never through a link that the tree does not follow; OSError."""
        ...


def entry_open(root: Openable, entry: SourceEntry) -> tuple[int, os.stat_result]:
    """Open the file or folder that the scan found, and return its descriptor and status. Raises `SourceGone`.

    Something else in its place has not vanished: a restore that replaces everything must not take it away.
    """
    try:
        descriptor = root.open(entry.path)
    except OSError as error:
        raise SourceGone(reason(error)) from error
    status = os.fstat(descriptor)
    # A new file may reuse a freed inode number: compare the kind too; `changed` compares the times.
    kind = stat.S_IFDIR if entry.kind is Kind.FOLDER else stat.S_IFREG
    if entry.stat is None or status.st_ino != entry.stat.inode or stat.S_IFMT(status.st_mode) != kind:
        os.close(descriptor)
        raise SourceGone(Left.UNREADABLE)
    return descriptor, status


def user_attributes(descriptor: int) -> dict[bytes, bytes] | None:
    """The `user.*` attributes of an open file or folder, or None when it has none. Raises `SourceGone`."""
    try:
        return attributes_of(descriptor) or None
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise SourceGone(Left.UNREADABLE) from error
        raise SourceGone(reason(error)) from error


class LocalFile:
    """A regular file, open while its context is entered. Every call may raise `SourceGone`."""

    is_like_parent = False

    def __init__(self, root: Openable, entry: SourceEntry, *, tags: FileTags | None, pace: Pace | None = None) -> None:
        self._root = root
        self._pace = pace
        self._entry = entry
        self._tags = tags
        self._descriptor = -1
        self._sparse = False

    def __enter__(self) -> Self:
        self._descriptor, status = entry_open(self._root, self._entry)
        self._sparse = is_sparse(status)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        if self._tags is not None:
            self._tags.close()

    def data_ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The ranges from `start` to `stop` that hold data, in order; the gaps between them are holes."""
        if not self._sparse:
            return iter([(start, stop)] if start < stop else [])
        return self._told(data_ranges(self._descriptor, start, stop))

    def readinto(self, view: memoryview, offset: int) -> int:
        """Fill the view from that offset and return the bytes read: fewer than it has only at the end of the file."""
        filled = self.fill(view, offset)
        if self._tags is not None and filled:
            self._tags.read(view[:filled], offset)
        return filled

    def changes(self, start: int, stop: int, *, header: int, known: bytes) -> LocalChanges:
        """Compare the part from `start` to `stop` with the parent's, whose blocks have the `known` hashes."""
        return LocalChanges(self, self._tags, start, stop, header=header, known=known)

    def xattrs(self) -> dict[bytes, bytes] | None:
        """The `user.*` attributes, or None when there are none."""
        return user_attributes(self._descriptor)

    def changed(self) -> bool:
        """Whether size or times of the file differ from those that the scan found."""
        status, found = os.fstat(self._descriptor), self._entry.stat
        now = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return found is None or now != (self._entry.size, found.mtime_ns, found.ctime_ns)

    def fill(self, view: memoryview, offset: int) -> int:
        """As `readinto`, but without recording tags: the caller does that."""
        filled = 0
        if self._pace is not None:
            self._pace(len(view))
        try:
            while filled < len(view):
                count = os.preadv(self._descriptor, [view[filled:] if filled else view], offset + filled)
                if count == 0:
                    break
                filled += count
        except OSError as error:
            raise SourceGone(reason(error)) from error
        return filled

    def is_hole(self, start: int, stop: int) -> bool:
        """Whether the range from `start` to `stop` is one hole, without data."""
        return self._sparse and next(self._told(data_ranges(self._descriptor, start, stop)), None) is None

    @staticmethod
    def _told(ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        try:
            yield from ranges
        except OSError as error:
            raise SourceGone(reason(error)) from error


def is_sparse(status: os.stat_result) -> bool:
    """Whether a file takes less room than it has bytes, so that it may have holes."""
    return status.st_blocks * _DISK_BLOCK < status.st_size


def data_ranges(descriptor: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The ranges of an open file from `start` to `stop` that hold data, in order. Raises OSError.

    Where the file system does not report holes, everything is data.
    """
    while start < stop:
        low = _seek(descriptor, start, os.SEEK_DATA)
        if low is None or low >= stop:
            return
        high = _seek(descriptor, low, os.SEEK_HOLE)
        start = stop if high is None else min(high, stop)
        yield low, start


def _seek(descriptor: int, offset: int, whence: int) -> int | None:
    """The offset of the next data or hole; None when there is none up to the end."""
    try:
        return os.lseek(descriptor, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return offset if whence == os.SEEK_DATA else None
        raise
