"""Walks a live tree: every entry below a folder, and nothing outside of it, even if names change meanwhile.

Each step opens a name relative to the open folder before it, never through a symbolic link. So a user who writes to
the tree cannot lead the walk out of it. Paths are only names here; nothing is opened by its path.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from trees.beneath import open_beneath, open_for_reading
from trees.folders import fd_closing
from trees.paths import RESERVED_FOLDER

# Folders kept open on the way down, besides the root; those further up are opened anew on the way back.
FOLDERS_OPEN: Final = 64

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NAME_BYTES_MAX: Final = 1024
"""The longest name of a file system: FUSE has 1024 bytes, vfat up to 765, most 255."""

T = TypeVar("T")
LinkIdentity = tuple[int, int, int]


class Reason(Enum):
    """Why an entry cannot be examined or read."""

    VANISHED = auto()
    REPLACED = auto()
    """The entry was replaced a moment ago, by one of another kind."""
    MOVED = auto()
    """The entry's folder was moved while the walk was below it, and is not found again."""
    FORBIDDEN = auto()
    TOO_FAR = auto()
    """The entry lies too deep, or its path is too long."""
    NO_FILE = auto()
    """The entry is of a kind that cannot be opened, such as a socket."""
    FAILED = auto()
    """The entry's disk fails."""
    EXHAUSTED = auto()
    """Descriptors or memory have run out, which is no fault of the entry: going on would leave out readable data."""


# readlink fails with EINVAL when the symbolic link was replaced, open with ENXIO for a socket.
_REASONS: Final = {
    errno.ENOENT: Reason.VANISHED,
    **dict.fromkeys((errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ESTALE), Reason.REPLACED),
    **dict.fromkeys((errno.EACCES, errno.EPERM), Reason.FORBIDDEN),
    errno.ENAMETOOLONG: Reason.TOO_FAR,
    **dict.fromkeys((errno.ENXIO, errno.ENODEV), Reason.NO_FILE),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOMEM), Reason.EXHAUSTED),
}


class FolderMoved(OSError):
    """The folder of an entry was moved, and is not found again."""


class Found(NamedTuple):
    """An entry of the tree, valid until the walk's next step. `path` is relative to the root.

    `folder` is a descriptor of the folder that holds the entry under `name`. `status` is the lstat of a moment ago;
    for a folder, it is that of the open folder itself.
    """

    path: bytes
    name: bytes
    folder: int
    status: os.stat_result


class Bounds(NamedTuple):
    """The most names and bytes of a path; deeper entries are left out."""

    depth: int
    path_bytes: int


class Place(Protocol):
    """A folder behind a link."""

    @property
    def fd(self) -> int:
        """The folder's descriptor."""
        ...


class Places(Protocol):
    """The folders behind links that a walk enters, and other folders with a reserved folder of their own."""

    def is_top(self, path: bytes) -> bool:
        """Whether the reserved name in the folder at a path is left out."""
        ...

    def linked(self, path: bytes, name: bytes, *, at: int) -> Place | None:
        """The folder that a link in an open folder leads to, None when the walk does not follow it."""
        ...

    def open_folder(self, path: bytes) -> int:
        """Open the folder at a path from the root for reading; the caller closes the descriptor. Raises OSError."""
        ...


class Rules(Protocol):
    """The patterns that apply in one folder (`trees.patterns`)."""

    def excluding(self, name: bytes, *, is_folder: bool, at: int) -> int | None:
        """The number of the pattern that leaves out a name in the open folder `at`, None when none does."""
        ...

    def below(self, name: bytes) -> Rules | None:
        """The patterns for the folder of this name, None without one."""
        ...


class Exclusion(NamedTuple, Generic[T]):
    """The patterns of a walk, from its root down.

    `excluded` is called with the fields of each entry that a pattern leaves out, and the pattern's number; its result
    is yielded unless it is None.
    """

    rules: Rules | None
    excluded: Callable[[bytes, bytes, int, os.stat_result, int], T | None]


def tree_walk(
    root: int,
    *,
    found: Callable[[bytes, bytes, int, os.stat_result], T],
    left_out: Callable[[bytes, OSError], T | None],
    bounds: Bounds,
    below: bytes = b"",
    places: Places | None = None,
    exclusion: Exclusion[T] | None = None,
) -> Generator[T, None, None]:
    """Yield every entry below an open folder: a folder before its content, names in the order of their bytes.

    `below` is the path of that folder when it is not the root; every path begins with it. The reserved folder directly
    below the root, or directly below one of the `places`, is left out. A link to one of the `places` is entered like
    a folder; no other link is followed. A folder that the `exclusion` leaves out is not entered. Memory is that of the
    names in the folders on the way down, whatever the size of the tree.

    `found` builds the yielded value from the four fields of a `Found`. `left_out` is called with the path and the
    error of an entry that cannot be examined, or for which `found` raises OSError; its result is yielded unless it is
    None. If the folder itself cannot be listed, `left_out` is called with `below`, and nothing is yielded.
    """
    walk = _Walk(below, places, bounds, exclusion)
    levels, status_of, is_file = walk.levels, os.stat, stat.S_ISREG
    entry: T | None
    with closing(walk):
        walk.begin(root, left_out)
        while levels:
            level = levels[-1]
            prefix, folder, is_limited, rules = walk.prefix, level.descriptor, walk.is_limited(), level.rules
            for name in level.names:
                path = prefix + name
                try:
                    if is_limited:
                        walk.require_within(path)
                    status = status_of(name, dir_fd=folder, follow_symlinks=False)
                    # The common case: most entries are files.
                    if rules is None and is_file(status.st_mode):
                        yield found(path, name, folder, status)
                        continue
                    entry = walk.take(path, name, status, found)
                except OSError as error:
                    entry = left_out(path, error)
                if entry is not None:
                    yield entry
                if levels[-1] is not level:
                    break
            else:
                walk.leave()


def reason_of(error: OSError) -> Reason:
    """The reason that an error at one entry stands for."""
    return Reason.MOVED if isinstance(error, FolderMoved) else _REASONS.get(error.errno or 0, Reason.FAILED)


def link_identity(status: os.stat_result) -> LinkIdentity | None:
    """The key that all names of one file share; None for a file with one name.

    A new file may get the number of a freed inode. The change time tells the two apart, since nobody can set it. A
    file that changes between two of its names counts as two files, each with its bytes at that time.
    """
    return None if status.st_nlink == 1 else (status.st_dev, status.st_ino, status.st_ctime_ns)


@dataclass(slots=True)
class _Level:
    """A folder on the walk's way down.

    `descriptor` is -1 while the walk is far below the folder, and stays so when the folder is not found again. `lost`
    is then the errno, or 0 when the folder was only moved. `names` are those still to come. `prefix_bytes` is the
    length of the path before the folder's name.
    """

    descriptor: int
    identity: tuple[int, int]
    names: Iterator[bytes]
    prefix_bytes: int
    rules: Rules | None
    lost: int = 0

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class _Walk(Generic[T]):
    """The state of a walk: an explicit stack, since a tree may be deeper than the limits of recursion and paths."""

    def __init__(self, below: bytes, places: Places | None, bounds: Bounds, exclusion: Exclusion[T] | None) -> None:
        self.levels: list[_Level] = []
        self.prefix = below + b"/" if below else b""
        self._below_bytes = len(self.prefix)
        self._depth = self.prefix.count(b"/")
        self._places = places
        self._bounds = bounds
        self._exclusion = exclusion

    def close(self) -> None:
        for level in self.levels:
            level.close()

    def begin(self, root: int, left_out: Callable[[bytes, OSError], object]) -> None:
        """Enter the open folder at which the walk begins."""
        try:
            self.enter(b"", root)
        except OSError as error:
            left_out(self.prefix[:-1], error)

    def enter(self, name: bytes, folder: int, place: Place | None = None) -> os.stat_result:
        """Enter a folder in an open one, or the folder `place` behind a link; an empty name is the open folder itself.
        Raises OSError.
        """
        at, entry = (place.fd, b".") if place else (folder, name or b".")
        descriptor = open_for_reading(entry, at, os.O_DIRECTORY)
        try:
            status = os.fstat(descriptor)
            # A folder that changes while it is listed may give a name twice.
            names = set(map(os.fsencode, os.listdir(descriptor)))  # noqa: PTH208 - not a path
        except BaseException:
            os.close(descriptor)
            raise
        before, rules = len(self.prefix), self._exclusion and self._exclusion.rules
        if name:
            self.prefix += name + b"/"
            above = self.levels[-1].rules
            rules = above.below(name) if above else None
        if RESERVED_FOLDER in names and self._is_top():
            names.remove(RESERVED_FOLDER)
        self.levels.append(_Level(descriptor, _identity(status), iter(sorted(names)), before, rules))
        if len(self.levels) > FOLDERS_OPEN + 1:
            self.levels[-1 - FOLDERS_OPEN].close()
        return status

    def take(
        self,
        path: bytes,
        name: bytes,
        status: os.stat_result,
        found: Callable[[bytes, bytes, int, os.stat_result], T],
    ) -> T | None:
        """The value of an entry of the innermost folder, which is entered unless it is left out. Raises OSError."""
        folder = self.levels[-1].descriptor
        if self._exclusion and (number := self._excluding(path, name, status)) is not None:
            return self._exclusion.excluded(path, name, folder, status, number)
        return found(path, name, folder, self.look(path, name, status))

    def _excluding(self, path: bytes, name: bytes, status: os.stat_result) -> int | None:
        """The number of the pattern that leaves out an entry of the innermost folder. A followed link is a folder."""
        rules, folder = self.levels[-1].rules, self.levels[-1].descriptor
        if rules is None:
            return None
        is_folder = stat.S_ISDIR(status.st_mode)
        if self._places and stat.S_ISLNK(status.st_mode):
            is_folder = self._places.linked(path, name, at=folder) is not None
        return rules.excluding(name, is_folder=is_folder, at=folder)

    def look(self, path: bytes, name: bytes, status: os.stat_result) -> os.stat_result:
        """The status of an entry that is no file; a folder or followed link is entered. Raises OSError."""
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
        is_far = len(self.prefix) + NAME_BYTES_MAX > self._bounds.path_bytes
        return is_far or self._is_deep() or self.levels[-1].descriptor < 0

    def require_within(self, path: bytes) -> None:
        """Raise OSError for a path in the innermost folder if that folder is lost, or the path exceeds the bounds."""
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
        """Reopen a folder that was closed on the way down: as the parent of the one below it, or by its path."""
        root, path, inner = self.levels[0].descriptor, self.prefix[:-1], below.descriptor
        ways: list[Callable[[], int]] = [lambda: open_beneath(path[self._below_bytes :], root, _FOLDER)]
        if inner >= 0:
            ways.insert(0, lambda: os.open(b"..", _FOLDER, dir_fd=inner))
        if (places := self._places) is not None:
            # The way down may have led through a link.
            ways.append(lambda: places.open_folder(path))
        level.lost = below.lost
        for way in ways:
            try:
                descriptor = way()
                with fd_closing(descriptor) as opened:
                    if _identity(os.fstat(opened)) == level.identity:
                        level.descriptor, level.lost = os.dup(opened), 0
                        return
            except OSError as error:
                if reason_of(error) in (Reason.FAILED, Reason.EXHAUSTED):
                    level.lost = error.errno or 0


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
