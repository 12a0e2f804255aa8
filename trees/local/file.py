"""An open file of a local folder: its data, and what of it changed since the parent snapshot."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from trees.beneath import Root
from trees.local.changes import LocalChanges
from trees.local.scan import reason
from trees.sectors.tags import FileTags
from trees.source import Kind, SourceEntry, SourceGone

_DISK_BLOCK: Final = 512
_USER: Final = "user."
# Linux lets a file have far more than a record of the manifest can hold.
_ATTRIBUTES_SIZE_MAX: Final = 1 << 20
_NO_ATTRIBUTES: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})


def entry_open(root: Root, entry: SourceEntry) -> tuple[int, os.stat_result]:
    """A descriptor of the very file or folder that was found, and its status. Raises `SourceGone`."""
    try:
        descriptor = root.open(entry.path)
    except OSError as error:
        raise SourceGone(reason(error)) from error
    status = os.fstat(descriptor)
    # An inode that got free is soon another's: its kind counts too, and `changed` finds the times.
    kind = stat.S_IFDIR if entry.kind is Kind.FOLDER else stat.S_IFREG
    if entry.stat is None or status.st_ino != entry.stat.inode or stat.S_IFMT(status.st_mode) != kind:
        os.close(descriptor)
        raise SourceGone("replaced meanwhile")
    return descriptor, status


def user_attributes(descriptor: int) -> dict[bytes, bytes] | None:
    """The `user.*` attributes of what is open, or None when there are none. Raises `SourceGone`."""
    found, size = {}, 0
    try:
        for name in os.listxattr(descriptor):
            if name.startswith(_USER):
                with suppress_missing():
                    found[os.fsencode(name)] = content = os.getxattr(descriptor, name)
                    size += len(content)
            if size > _ATTRIBUTES_SIZE_MAX:
                raise SourceGone("its attributes are too large")
    except OSError as error:
        if error.errno in _NO_ATTRIBUTES:
            return None
        raise SourceGone(reason(error)) from error
    return found or None


@contextmanager
def suppress_missing() -> Iterator[None]:
    """One may be removed between being listed and being read."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise


class LocalFile:
    """A regular file, open between entering and leaving it as a context. Every call may raise `SourceGone`."""

    def __init__(self, root: Root, entry: SourceEntry, *, tags: FileTags | None) -> None:
        self._root = root
        self._entry = entry
        self._tags = tags
        self._descriptor = -1
        self._sparse = False

    def __enter__(self) -> Self:
        self._descriptor, status = entry_open(self._root, self._entry)
        self._sparse = status.st_blocks * _DISK_BLOCK < status.st_size
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        if self._tags is not None:
            self._tags.close()

    def data_ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The ranges from `start` to `stop` that hold data, in order; what lies between is a hole."""
        while start < stop:
            low = self._seek(start, os.SEEK_DATA) if self._sparse else start
            if low is None or low >= stop:
                return
            high = self._seek(low, os.SEEK_HOLE) if self._sparse else stop
            yield low, min(high or stop, stop)
            start = high or stop

    def readinto(self, view: memoryview, offset: int) -> int:
        """Fill the view from that offset; returns less than its length only at the end of the file."""
        filled = self.fill(view, offset)
        if self._tags is not None and filled:
            self._tags.read(view[:filled], offset)
        return filled

    def changes(self, start: int, stop: int, *, header: int, known: bytes) -> LocalChanges:
        """The part from `start` to `stop` against the parent's, whose blocks have the `known` hashes."""
        return LocalChanges(self, self._tags, start, stop, header=header, known=known)

    def xattrs(self) -> dict[bytes, bytes] | None:
        """The `user.*` attributes, or None when there are none."""
        return user_attributes(self._descriptor)

    def changed(self) -> bool:
        """Whether the file is no longer what it was when it was found."""
        status, found = os.fstat(self._descriptor), self._entry.stat
        now = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return found is None or now != (self._entry.size, found.mtime_ns, found.ctime_ns)

    def fill(self, view: memoryview, offset: int) -> int:
        """As `readinto`, for bytes whose tags are somebody else's care."""
        filled = 0
        try:
            while filled < len(view):
                count = os.preadv(self._descriptor, [view[filled:]], offset + filled)
                if count == 0:
                    break
                filled += count
        except OSError as error:
            raise SourceGone(reason(error)) from error
        return filled

    def is_hole(self, start: int, stop: int) -> bool:
        """Whether there is no data at all from `start` to `stop`."""
        if not self._sparse:
            return False
        low = self._seek(start, os.SEEK_DATA)
        return low is None or low >= stop

    def _seek(self, offset: int, whence: int) -> int | None:
        """Where data or a hole begins; None when there is none up to the end."""
        try:
            return os.lseek(self._descriptor, offset, whence)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return None
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
                # A file system that does not know its holes: all is data.
                self._sparse = False
                return offset if whence == os.SEEK_DATA else None
            raise SourceGone(reason(error)) from error
