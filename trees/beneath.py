"""Opening paths below a folder without ever leaving it, even if a component is swapped for a symbolic link."""

import ctypes
import errno
import os
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

from trees.folders import status_at

# O_NONBLOCK: opening a FIFO that replaced a file must not wait for its writer.
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_WAY: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# The same number on every Linux architecture except Alpha.
_OPENAT2: Final = 437
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_CALL_BYTES: Final = 4000  # the longest path in one call; Linux allows 4095

# Errors of openat2 after which opening step by step may succeed or give a better error: a concurrent rename, a link.
_BY_STEPS: Final = frozenset({errno.ENAMETOOLONG, errno.EAGAIN, errno.ELOOP})
_NO_WAY: Final = frozenset({b"", b".", b".."})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t]


class Root:
    """An open folder; thread-safe. Every method except `close` raises OSError."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.close = weakref.finalize(self, os.close, self.descriptor)

    def open(self, path: bytes, flags: int = 0) -> int:
        """Open the entry at that path from the root for reading, and return a descriptor; an empty path is the root."""
        return open_for_reading(path or b".", self.descriptor, flags)


class Tree:
    """Resolves relative paths below an open folder.

    A component that is a symlink, or was swapped for one, raises ENOTDIR; a descriptor opened before the swap still
    belongs to the old folder. Only the last parent's descriptor is kept, so depth costs none.
    """

    def __init__(self, fd: int) -> None:
        self._root = fd
        self._parent = fd
        self._parent_path = b""

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """Return a descriptor of the folder that holds `path`, valid until the next call, and the last component."""
        head, _, name = path.rpartition(b"/")
        if head != self._parent_path:
            self._enter(head)
        return self._parent, name

    def status(self, path: bytes) -> os.stat_result | None:
        """The lstat of `path`, or None when its last component does not exist."""
        at, name = self.parent(path)
        return status_at(name, at=at)

    def open_folder(self, path: bytes) -> int:
        """Return a readable descriptor of the folder at `path` (`b""` is the root), which the caller closes."""
        at, name = self.parent(path) if path else (self._root, b".")
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)

    def close(self) -> None:
        """Close the kept descriptor; the root's belongs to the caller."""
        if self._parent != self._root:
            os.close(self._parent)
        self._parent, self._parent_path = self._root, b""

    def _enter(self, head: bytes) -> None:
        inside = bool(self._parent_path) and head.startswith(self._parent_path + b"/")
        rest = head[len(self._parent_path) + 1 :] if inside else head
        above = self._parent if inside else self._root
        fd = open_beneath(rest, above, _WAY) if rest else os.dup(above)
        self.close()
        self._parent, self._parent_path = fd, head


def open_for_reading(path: bytes, at: int, flags: int = 0) -> int:
    """Open an entry by its path or name from an open folder, for reading; returns a descriptor. Raises OSError.

    No component may be a symbolic link. The access time is left unchanged if the system allows that.
    """
    flags |= _READ
    try:
        return open_beneath(path, at, flags | os.O_NOATIME)
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise
        # Only the owner and root may use O_NOATIME.
        return open_beneath(path, at, flags)


def open_beneath(path: bytes, at: int, flags: int) -> int:
    """Open an entry by its path from an open folder; no component may be a symbolic link. Raises OSError."""
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    steps = path.split(b"/")
    if len(steps) == 1 and path != b"..":
        return os.open(path, flags, dir_fd=at)
    if not _NO_WAY.isdisjoint(steps):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    if openat2_works():
        try:
            # One call for nearly every path: a snapshot opens each of a million files.
            return (
                _openat2(at, path, flags) if len(path) <= _CALL_BYTES else _descend(at, _pieces(path), flags, _openat2)
            )
        except OSError as error:
            if error.errno not in _BY_STEPS:
                raise
    return _descend(at, iter(steps), flags, _open_step)


def _descend(folder: int, parts: Iterator[bytes], flags: int, step: Callable[[int, bytes, int], int]) -> int:
    """Open the parts of a path one after the other from an open folder; the last one with the given flags."""
    descriptor, part = os.dup(folder), next(parts)
    for following in chain(parts, (None,)):
        above = descriptor
        try:
            descriptor = step(above, part, _WAY if following is not None else flags)
        finally:
            os.close(above)
        part = following or b""
    return descriptor


def _pieces(path: bytes) -> Iterator[bytes]:
    """Split a path into pieces that fit into one call."""
    while len(path) > _CALL_BYTES and (cut := path.rfind(b"/", 0, _CALL_BYTES)) > 0:
        yield path[:cut]
        path = path[cut + 1 :]
    yield path


def _open_step(folder: int, name: bytes, flags: int) -> int:
    return os.open(name, flags, dir_fd=folder)


@cache
def openat2_works() -> bool:
    """Whether the kernel has the call, and a container's filter allows it."""
    root = os.open(b"/", os.O_PATH)
    try:
        os.close(_openat2(root, b".", os.O_PATH))
    except OSError:
        return False
    finally:
        os.close(root)
    return True


class _How(ctypes.Structure):
    """The kernel's `struct open_how`."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def _how(flags: int) -> _How:
    return _How(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)


def _openat2(folder: int, path: bytes, flags: int) -> int:
    how = _how(flags)
    descriptor: int = _libc.syscall(_OPENAT2, folder, path, ctypes.addressof(how), ctypes.sizeof(how))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor
