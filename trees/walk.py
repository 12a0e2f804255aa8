"""Walking a live tree: every entry below a folder, and nothing outside of it whatever is renamed meanwhile.

Each step opens relative to the folder it came from and never through a symbolic link, so whoever can write in
the tree cannot lead the walk out of it. Paths are only names here; nothing is opened by them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol, TypeVar

from trees.beneath import open_beneath, open_for_reading
from trees.paths import RESERVED_FOLDER

# Folders kept open on the way down, besides the root; those further up are opened anew on the way back.
FOLDERS_OPEN: Final = 64

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME_BYTES_MAX: Final = 255

T = TypeVar("T")
LinkIdentity = tuple[int, int, int]


class Reason(Enum):
    """Why an entry cannot be looked at, or read."""

    VANISHED = auto()
    REPLACED = auto()
    """It is no longer what it was a moment ago."""
    MOVED = auto()
    """Its folder was moved away while the walk was below it, and is not found again."""
    FORBIDDEN = auto()
    TOO_FAR = auto()
    """It lies too deep, or its path is too long."""
    NO_FILE = auto()
    """It is something that cannot be opened, such as a socket."""
    FAILED = auto()
    """Its disk fails."""
    EXHAUSTED = auto()
    """Descriptors or memory have run out, which says nothing of the entry: to go on would leave out what is there."""


# EINVAL is readlink's word for a symbolic link that is none any more, ENXIO open's for a socket.
_REASONS: Final = {
    errno.ENOENT: Reason.VANISHED,
    **dict.fromkeys((errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ESTALE), Reason.REPLACED),
    **dict.fromkeys((errno.EACCES, errno.EPERM), Reason.FORBIDDEN),
    errno.ENAMETOOLONG: Reason.TOO_FAR,
    **dict.fromkeys((errno.ENXIO, errno.ENODEV), Reason.NO_FILE),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOMEM), Reason.EXHAUSTED),
}


class FolderMoved(OSError):
    """The folder of an entry is not found again."""


class Found(NamedTuple):
    """An entry of the tree: its path from the root, and how to reach it until the walk's next step.

    `folder` is a descriptor of the folder that holds it under `name`. `status` is what the name led to a
    moment ago; a folder's is that of the folder itself, which has been opened and listed.
    """

    path: bytes
    name: bytes
    folder: int
    status: os.stat_result


class Bounds(NamedTuple):
    """How many names a path may have, and how many bytes; what lies further down is left out."""

    depth: int
    path_bytes: int


class Place(Protocol):
    """A folder that a link leads to."""

    @property
    def fd(self) -> int:
        """Its descriptor."""
        ...


class Places(Protocol):
    """The folders behind links that a walk goes into, and others that have a reserved folder of their own."""

    def is_top(self, path: bytes) -> bool:
        """Whether the reserved name in the folder at a path is left out."""
        ...

    def linked(self, path: bytes, name: bytes, *, at: int) -> Place | None:
        """The folder that a link in an open folder leads to, None when the walk is not to follow it."""
        ...

    def open_folder(self, path: bytes) -> int:
        """A readable descriptor of the folder at a path from the root, which the caller closes. Raises OSError."""
        ...


def tree_walk(
    root: int,
    *,
    found: Callable[[bytes, bytes, int, os.stat_result], T],
    left_out: Callable[[bytes, OSError], T | None],
    bounds: Bounds,
    below: bytes = b"",
    places: Places | None = None,
) -> Generator[T, None, None]:
    """Every entry below an open folder: a folder before what is in it, names in the order of their bytes.

    `below` is the path of that folder when it is not the root itself; every path begins with it. The reserved folder
    directly below the root is left out, and so is that of each of the `places`. A link that leads to one of these is
    a folder, and gone into; no other link is followed. Memory is that of the names in the folders on the way down,
    whatever the size of the tree.

    `found` makes what is yielded, of the four parts of a `Found`. `left_out` is told what cannot be looked at, and an
    OSError that `found` raises; what it makes of that is yielded, too. When the folder itself cannot be listed it is
    told `below`, and there are no entries.
    """
    walk = _Walk(below, places, bounds)
    levels, status_of, is_file = walk.levels, os.stat, stat.S_ISREG
    with closing(walk):
        walk.begin(root, left_out)
        while levels:
            level = levels[-1]
            prefix, folder, is_limited = walk.prefix, level.descriptor, walk.is_limited()
            for name in level.names:
                path = prefix + name
                try:
                    if is_limited:
                        walk.require_within(path)
                    status = status_of(name, dir_fd=folder, follow_symlinks=False)
                    # Most are files: the way of these is the short one.
                    if is_file(status.st_mode):
                        yield found(path, name, folder, status)
                        continue
                    entry: T | None = found(path, name, folder, walk.look(path, name, status))
                except OSError as error:
                    entry = left_out(path, error)
                if entry is not None:
                    yield entry
                if levels[-1] is not level:
                    break
            else:
                walk.leave()


def reason_of(error: OSError) -> Reason:
    """What an error at one entry says of it."""
    return Reason.MOVED if isinstance(error, FolderMoved) else _REASONS.get(error.errno or 0, Reason.FAILED)


def link_identity(status: os.stat_result) -> LinkIdentity | None:
    """The key by which the names of one file find each other; None for a file with one name.

    The number of a freed inode goes to the next new file. The change time tells the two apart: nobody can set it. A
    file that changes between two of its names counts as two files, each with the bytes of its turn.
    """
    return None if status.st_nlink == 1 else (status.st_dev, status.st_ino, status.st_ctime_ns)


@dataclass(slots=True)
class _Level:
    """A folder that the walk is in.

    `descriptor` is -1 while the walk is far below it, and for good when it is not found again: `lost` is the number of
    the error then, unless it just moved. `names` are those still to come. `prefix_bytes` is the length of the path in
    front of the folder.
    """

    descriptor: int
    identity: tuple[int, int]
    names: Iterator[bytes]
    prefix_bytes: int
    lost: int = 0

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _Walk:
    """The state of a walk: an explicit stack, since trees may be deeper than a recursion or a path can be."""

    def __init__(self, below: bytes, places: Places | None, bounds: Bounds) -> None:
        self.levels: list[_Level] = []
        self.prefix = below + b"/" if below else b""
        self._below_bytes = len(self.prefix)
        self._depth = self.prefix.count(b"/")
        self._places = places
        self._bounds = bounds

    def close(self) -> None:
        for level in self.levels:
            level.close()

    def begin(self, root: int, left_out: Callable[[bytes, OSError], object]) -> None:
        """Go into the open folder that the walk is of."""
        try:
            self.enter(b"", root)
        except OSError as error:
            left_out(self.prefix[:-1], error)

    def enter(self, name: bytes, folder: int, place: Place | None = None) -> os.stat_result:
        """Go down into a folder within an open one, be it a link to a place; an empty name is that folder itself.
        Raises OSError.
        """
        at, entry = (place.fd, b".") if place else (folder, name or b".")
        descriptor = open_for_reading(entry, at, os.O_DIRECTORY)
        try:
            status = os.fstat(descriptor)
            # A folder that is changed while it is listed may show a name twice.
            names = set(map(os.fsencode, os.listdir(descriptor)))  # noqa: PTH208 - not a path
        except OSError:
            os.close(descriptor)
            raise
        before = len(self.prefix)
        if name:
            self.prefix += name + b"/"
        if RESERVED_FOLDER in names and self._is_top():
            names.remove(RESERVED_FOLDER)
        self.levels.append(_Level(descriptor, _identity(status), iter(sorted(names)), before))
        if len(self.levels) > FOLDERS_OPEN + 1:
            self.levels[-1 - FOLDERS_OPEN].close()
        return status

    def look(self, path: bytes, name: bytes, status: os.stat_result) -> os.stat_result:
        """The status of what is no file; a folder is gone into. Raises OSError."""
        folder = self.levels[-1].descriptor
        if stat.S_ISDIR(status.st_mode):
            return self.enter(name, folder)
        if self._places and stat.S_ISLNK(status.st_mode) and (place := self._places.linked(path, name, at=folder)):
            return self.enter(name, folder, place)
        return status

    def leave(self) -> None:
        """Go up from the innermost folder."""
        below = self.levels.pop()
        self.prefix = self.prefix[: below.prefix_bytes]
        if self.levels and self.levels[-1].descriptor < 0:
            self._find_again(self.levels[-1], below)
        below.close()

    def is_limited(self) -> bool:
        """Whether some names in the innermost folder may have to be left out."""
        is_far = len(self.prefix) + _NAME_BYTES_MAX > self._bounds.path_bytes
        return is_far or self._is_deep() or self.levels[-1].descriptor < 0

    def require_within(self, path: bytes) -> None:
        """Raise OSError for a path in the innermost folder that the walk has no way to, or may not go."""
        if self.levels[-1].descriptor < 0:
            lost = self.levels[-1].lost
            raise OSError(lost, os.strerror(lost)) if lost else FolderMoved
        if self._is_deep() or len(path) > self._bounds.path_bytes:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))

    def _is_deep(self) -> bool:
        return self._depth + len(self.levels) > self._bounds.depth

    def _is_top(self) -> bool:
        path = self.prefix[:-1]
        return not path or (self._places is not None and self._places.is_top(path))

    def _find_again(self, level: _Level, below: _Level) -> None:
        """A folder closed on the way down: the parent of the one below it, or where it was if that one moved."""
        root, path, inner = self.levels[0].descriptor, self.prefix[:-1], below.descriptor
        ways: list[Callable[[], int]] = [lambda: open_beneath(path[self._below_bytes :], root, _FOLDER)]
        if inner >= 0:
            ways.insert(0, lambda: os.open(b"..", _FOLDER, dir_fd=inner))
        if (places := self._places) is not None:
            # On the way down there may have been a link.
            ways.append(lambda: places.open_folder(path))
        level.lost = below.lost
        for way in ways:
            try:
                descriptor = way()
            except OSError as error:
                if reason_of(error) in (Reason.FAILED, Reason.EXHAUSTED):
                    level.lost = error.errno or 0
                continue
            if _identity(os.fstat(descriptor)) == level.identity:
                level.descriptor, level.lost = descriptor, 0
                return
            os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
