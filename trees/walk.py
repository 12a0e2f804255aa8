"""Walking a live tree in the manifest's order: every entry below a folder, and nothing outside of it."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from trees.beneath import Root
from trees.paths import RESERVED_FOLDER
from trees.source import Kind, SourceEntry, SourceFailed, SourceGone
from trees.trust import stat_from

# A folder whose entries' paths could be longer than the manifest's 65535 bytes is skipped whole.
FOLDER_PATH_BYTES_MAX: Final = 65535 - 256

# Folders kept open on the way down, besides the root; those further up are opened anew on the way back.
FOLDERS_OPEN: Final = 64

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# What the system says when a thing is no longer what it was a moment ago.
_SWAPPED: Final = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EINVAL})
# These say nothing of the entry: to go on would leave out what is there.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_REASONS: Final = {
    stat.S_IFIFO: b"a FIFO",
    stat.S_IFSOCK: b"a socket",
    stat.S_IFCHR: b"a device",
    stat.S_IFBLK: b"a device",
}


def tree_walk(root: Root) -> Iterator[SourceEntry]:
    """Every entry of the tree, the root first: a folder before what is in it, names in the order of their bytes.

    The reserved folder directly below the root is left out. Memory is that of the names in the folders on the way
    down, and of the hard links whose other names are still to come. Raises `SourceFailed` for an error that is not
    about one entry alone, `SourceGone` when it is about the root.
    """
    walk = _Walk(root)
    try:
        yield from walk.entries()
    finally:
        walk.close()


def reason(error: OSError) -> str:
    """What an error at one entry says of it, free of paths. Raises `SourceFailed` when it is not about that entry."""
    text = os.strerror(error.errno or 0)
    if error.errno in _EXHAUSTED:
        raise SourceFailed(text) from error
    return "replaced meanwhile" if error.errno in _SWAPPED else text


@dataclass(slots=True)
class _Level:
    """A folder that the walk is in.

    `descriptor` is None while the walk is far below it, and for good when it is not found again. `names` are those
    still to come. `prefix_bytes` is the length of the path in front of them.
    """

    descriptor: int | None
    identity: tuple[int, int]
    names: Iterator[bytes]
    prefix_bytes: int

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class _Walk:
    """The state of a walk: an explicit stack, since trees may be deeper than a recursion or a path can be."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._levels: list[_Level] = []
        self._prefix = b""
        # The first name of files with several, and how many of their names are still to come.
        self._links: dict[tuple[int, int, int], tuple[bytes, int]] = {}

    def entries(self) -> Iterator[SourceEntry]:
        try:
            yield self._enter(b".", self._root.descriptor, b"")
        except OSError as error:
            raise SourceGone(f"the root cannot be listed: {os.strerror(error.errno or 0)}") from error
        while self._levels:
            level = self._levels[-1]
            yield from self._files(level)
            if level is self._levels[-1]:
                self._leave()

    def close(self) -> None:
        for level in self._levels:
            level.close()

    def _files(self, level: _Level) -> Iterator[SourceEntry]:
        """What is in a folder, up to the next folder that the walk has to go into."""
        prefix, folder, is_file, status_of = self._prefix, level.descriptor, stat.S_ISREG, os.stat
        if folder is None:
            for name in level.names:
                yield SourceEntry(Kind.SKIPPED, prefix + name, None, 0, b"its folder moved meanwhile")
        for name in level.names:
            path = prefix + name
            try:
                status = status_of(name, dir_fd=folder, follow_symlinks=False)
                if is_file(status.st_mode) and status.st_nlink == 1:
                    yield SourceEntry(Kind.FILE, path, stat_from(status), status.st_size, None)
                    continue
                entry = self._look(name, path, status, level)
            except FileNotFoundError:
                continue
            except OSError as error:
                entry = SourceEntry(Kind.SKIPPED, path, None, 0, reason(error).encode())
            yield entry
            if entry.kind is Kind.FOLDER:
                return

    def _look(self, name: bytes, path: bytes, status: os.stat_result, level: _Level) -> SourceEntry:
        """What is no plain file. Raises OSError."""
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            if len(path) > FOLDER_PATH_BYTES_MAX:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            return self._enter(name, level.descriptor, path)
        if kind == stat.S_IFLNK:
            target = os.readlink(name, dir_fd=level.descriptor)
            return SourceEntry(Kind.SYMLINK, path, stat_from(status), 0, target)
        if kind == stat.S_IFREG:
            return self._linked(path, status)
        return SourceEntry(Kind.SKIPPED, path, None, 0, _REASONS.get(kind, b"no file, folder or link"))

    def _linked(self, path: bytes, status: os.stat_result) -> SourceEntry:
        """A file with several names: a link to the first of them, or a file of its own where that is not certain.

        An inode's number is handed out again as soon as its last name is gone. A new file changes after the old one was
        seen, so a number with another change time is taken for another file: at worst a link is stored twice.
        """
        identity = (*_identity(status), status.st_ctime_ns)
        first, names = self._links.get(identity, (None, status.st_nlink))
        if names > 1:
            self._links[identity] = (first or path, names - 1)
        else:
            # A file may get further names while the walk goes on: one that is found then is a file of its own.
            self._links.pop(identity, None)
        if first is None:
            return SourceEntry(Kind.FILE, path, stat_from(status), status.st_size, None)
        return SourceEntry(Kind.HARDLINK, path, stat_from(status), 0, first)

    def _enter(self, name: bytes, folder: int | None, path: bytes) -> SourceEntry:
        """Go down into a folder within an open one. Raises OSError."""
        descriptor = os.open(name, _FOLDER, dir_fd=folder)
        try:
            status = os.fstat(descriptor)
            # A folder that is changed while it is listed may show a name twice.
            names = set(map(os.fsencode, os.listdir(descriptor)))  # noqa: PTH208 - not a path
        except OSError:
            os.close(descriptor)
            raise
        if not path:
            names.discard(RESERVED_FOLDER)
        self._levels.append(_Level(descriptor, _identity(status), iter(sorted(names)), len(self._prefix)))
        self._prefix = path + b"/" if path else b""
        if len(self._levels) > FOLDERS_OPEN + 1:
            self._levels[-1 - FOLDERS_OPEN].close()
        return SourceEntry(Kind.FOLDER, path, stat_from(status), 0, None)

    def _leave(self) -> None:
        below = self._levels.pop()
        self._prefix = self._prefix[: below.prefix_bytes]
        if self._levels and self._levels[-1].descriptor is None:
            self._find_again(self._levels[-1], below)
        below.close()

    def _find_again(self, level: _Level, below: _Level) -> None:
        """A folder closed on the way down: the parent of the one below it, or where it was if that one moved."""
        ways: list[Callable[[], int]] = [lambda: self._root.open(self._prefix[:-1], os.O_DIRECTORY)]
        if below.descriptor is not None:
            ways.insert(0, lambda: os.open(b"..", _FOLDER, dir_fd=below.descriptor))
        for way in ways:
            try:
                descriptor = way()
            except OSError as error:
                reason(error)
                continue
            if _identity(os.fstat(descriptor)) == level.identity:
                level.descriptor = descriptor
                return
            os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
