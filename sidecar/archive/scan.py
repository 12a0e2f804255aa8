"""Walking a live tree: every entry below a folder, and nothing outside of it whatever is renamed meanwhile.

Each step opens relative to the folder it came from and never through a symbolic link, so whoever can write in
the tree cannot lead the walk out of it. Paths are only names here; nothing is opened by them.
"""

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.errors import Cancelled, SourceFailed
from trees.beneath import open_beneath, open_for_reading
from trees.limits import DEPTH_MAX, PATH_BYTES_MAX
from trees.paths import RESERVED_FOLDER
from wire.enums import WarningKind

if TYPE_CHECKING:
    from sidecar.places.places import Place, Places

# Folders kept open on the way down, besides the root; those further up are opened anew on the way back.
FOLDERS_OPEN: Final = 64
_ENTRIES_A_CHECK: Final = 1000

# EINVAL is readlink's word for a symbolic link that is none any more, ENXIO open's for a socket.
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ESTALE})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_NO_FILE: Final = frozenset({errno.ENXIO, errno.ENODEV})
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Warn = Callable[[WarningKind, bytes], None]
LinkIdentity = tuple[int, int, int]


class Found(NamedTuple):
    """An entry of the tree: its path from the root, and how to reach it until the walk's next step.

    `folder` is a descriptor of the folder that holds it under `name`. `status` is what the name led to a
    moment ago; a folder's is that of the folder itself, which has been opened and listed.
    """

    path: bytes
    name: bytes
    folder: int
    status: os.stat_result


def root_open(root: str | os.PathLike[str]) -> int:
    """A descriptor of the tree's root. Raises SourceFailed when there is no such folder, or none for us."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SourceFailed(f"the root cannot be opened: {error.strerror}") from error


def tree_bytes(root: int, *, cancelled: Callable[[], bool], places: "Places | None" = None) -> int:
    """The bytes of file content below an open folder, those of a file with several names once.

    Raises Cancelled and SourceFailed.
    """
    total = 0
    linked: set[LinkIdentity] = set()
    for count, found in enumerate(tree_walk(root, warn=lambda _kind, _path: None, places=places)):
        if count % _ENTRIES_A_CHECK == 0 and cancelled():
            raise Cancelled("packing was cancelled")
        status = found.status
        if not stat.S_ISREG(status.st_mode):
            continue
        shared = link_identity(status)
        if shared is None or shared not in linked:
            total += status.st_size
        if shared is not None:
            linked.add(shared)
    return total


def tree_walk(
    root: int, *, warn: Warn, below: bytes = b"", places: "Places | None" = None
) -> Generator[Found, None, None]:
    """Every entry below an open folder: a folder before what is in it, names in the order of their bytes.

    `below` is the path of that folder when it is not the root itself; every path told begins with it. The reserved
    folder directly below the root is left out, and so is that of each of the `places`. A link that leads to one of
    these is told as a folder and gone into; no other link is followed. Unreadable entries are warned of. Memory is
    that of the names in the folders on the way down, whatever the size of the tree. Raises SourceFailed for an error
    that is not about one entry alone.
    """
    walk = _Walk(warn, below + b"/" if below else b"", places)
    try:
        walk.enter(b"", root)
        yield from walk
    except OSError as error:
        raise SourceFailed(f"the root cannot be listed: {error.strerror}") from error
    finally:
        walk.close()


def link_end(name: bytes, folder: int) -> bytes | None:
    """The absolute path of what a symbolic link in an open folder leads to, None when it leads nowhere.

    The kernel goes the way, so that a chain or circle of links ends where it ends for every program.
    """
    try:
        end = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        return path_of(end)
    finally:
        os.close(end)


def path_of(fd: int) -> bytes:
    """The absolute path at which something open lies now."""
    return os.readlink(b"/proc/self/fd/%d" % fd)  # noqa: PTH115 - bytes


def warning_kind(error: OSError) -> WarningKind:
    """What an error at one entry means for it. Raises SourceFailed when the error is not about that entry."""
    if error.errno in _GONE:
        return WarningKind.VANISHED
    if error.errno in _FORBIDDEN:
        return WarningKind.UNREADABLE
    if error.errno in _NO_FILE:
        return WarningKind.SKIPPED
    raise SourceFailed(f"the data cannot be read: {error.strerror}") from error


def link_identity(status: os.stat_result) -> LinkIdentity | None:
    """The key by which the names of one file find each other; None for a file with one name.

    The number of a freed inode goes to the next new file. The change time tells the two apart: nobody can set it. A
    file that changes between two of its names counts as two files, each with the bytes of its turn.
    """
    return None if status.st_nlink == 1 else (status.st_dev, status.st_ino, status.st_ctime_ns)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


@dataclass(slots=True)
class _Level:
    """A folder that the walk is in.

    `descriptor` is None while the walk is far below it, and for good when it is not found again. `names` are
    those still to come, the next one last. `path_bytes` is the length of the path in front of them.
    """

    descriptor: int | None
    identity: tuple[int, int]
    names: list[bytes]
    path_bytes: int

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class _Walk:
    """The state of a walk: an explicit stack, since trees may be deeper than a recursion or a path can be."""

    def __init__(self, warn: Warn, prefix: bytes, places: "Places | None") -> None:
        self._warn = warn
        self._places = places
        self._levels: list[_Level] = []
        self._prefix = prefix
        self._path = bytearray(prefix)
        self._depth = prefix.count(b"/")

    def __iter__(self) -> Iterator[Found]:
        while self._levels:
            level = self._levels[-1]
            if not level.names:
                self._leave()
            elif found := self._look(level):
                yield found

    def close(self) -> None:
        for level in self._levels:
            level.close()

    def enter(self, name: bytes, folder: int, place: "Place | None" = None) -> os.stat_result:
        """Go down into a folder within an open one, be it a link to a place; an empty name is that folder itself.
        Raises OSError.
        """
        at, entry = (place.fd, b".") if place else (folder, name or b".")
        descriptor = open_for_reading(entry, at, os.O_DIRECTORY)
        try:
            status = os.fstat(descriptor)
            # A folder that is changed while it is listed may show a name twice.
            names = sorted(set(map(os.fsencode, os.listdir(descriptor))), reverse=True)  # noqa: PTH208 - not a path
        except OSError:
            os.close(descriptor)
            raise
        if name:
            self._path += name + b"/"
        if RESERVED_FOLDER in names and self._is_top():
            names.remove(RESERVED_FOLDER)
        self._levels.append(_Level(descriptor, _identity(status), names, len(self._path)))
        if len(self._levels) > FOLDERS_OPEN + 1:
            self._levels[-1 - FOLDERS_OPEN].close()
        return status

    def _look(self, level: _Level) -> Found | None:
        name = level.names.pop()
        path = bytes(self._path) + name
        if level.descriptor is None:
            self._warn(WarningKind.VANISHED, path)
            return None
        if self._depth + len(self._levels) > DEPTH_MAX or len(path) > PATH_BYTES_MAX:
            self._warn(WarningKind.UNREADABLE, path)
            return None
        try:
            status = os.stat(name, dir_fd=level.descriptor, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                status = self.enter(name, level.descriptor)
            elif stat.S_ISLNK(status.st_mode) and (place := self._linked(path, name, level.descriptor)):
                status = self.enter(name, level.descriptor, place)
        except OSError as error:
            self._warn(warning_kind(error), path)
            return None
        return Found(path, name, level.descriptor, status)

    def _is_top(self) -> bool:
        path = bytes(self._path[:-1])
        return not path or (self._places is not None and self._places.is_top(path))

    def _linked(self, path: bytes, name: bytes, folder: int) -> "Place | None":
        return self._places.linked(path, name, at=folder) if self._places else None

    def _leave(self) -> None:
        below = self._levels.pop()
        if self._levels:
            level = self._levels[-1]
            del self._path[level.path_bytes :]
            if level.descriptor is None:
                level.descriptor = self._find_again(level, below)
        below.close()

    def _find_again(self, level: _Level, below: _Level) -> int | None:
        """A folder closed on the way down: the parent of the one below it, or where it was if that one moved."""
        ways: list[Callable[[], int]] = []
        if (inner := below.descriptor) is not None:
            ways.append(lambda: os.open(b"..", _FOLDER, dir_fd=inner))
        if (root := self._levels[0].descriptor) is not None:
            ways.append(lambda: open_beneath(bytes(self._path[len(self._prefix) : -1]), root, _FOLDER))
        if (places := self._places) is not None:
            # On the way down there may have been a link.
            ways.append(lambda: places.open_folder(bytes(self._path[:-1])))
        for way in ways:
            try:
                descriptor = way()
            except OSError as error:
                warning_kind(error)
                continue
            if _identity(os.fstat(descriptor)) == level.identity:
                return descriptor
            os.close(descriptor)
        return None
