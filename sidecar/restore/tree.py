"""Names below one folder, reached so that no symlink is ever followed."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable, Iterable, Iterator

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HEAD_BYTES = 64
_CALL_BYTES = 4000  # of a path in one call; Linux takes 4095
_LIBC = ctypes.CDLL(None, use_errno=True)
_OPENAT2 = 437  # the same on every architecture but Alpha
_BENEATH_WITHOUT_SYMLINKS = 0x08 | 0x04


class _How(ctypes.Structure):
    """The kernel's `struct open_how`."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW = _How(os.O_PATH | _FOLDER, 0, _BENEATH_WITHOUT_SYMLINKS)


class Tree:
    """Resolves relative paths below an open folder with `openat2`, and with `openat` and `O_NOFOLLOW` where that fails.

    A component that is a symlink, or was swapped for one, ends in ENOTDIR; the descriptor that was opened before it was
    swapped still is the old folder's. Only one descriptor is kept, the last parent's: depth costs none.
    """

    def __init__(self, fd: int) -> None:
        self._root = fd
        self._parent = fd
        self._parent_path = b""

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """Return the descriptor of the folder that holds `path`, good until the next call, and the last component."""
        head, _, name = path.rpartition(b"/")
        if head != self._parent_path:
            self._enter(head)
        return self._parent, name

    def status(self, path: bytes) -> os.stat_result | None:
        """The lstat of `path`, or None when its last component is not there."""
        at, name = self.parent(path)
        return status_at(name, at=at)

    def open_folder(self, path: bytes) -> int:
        """Return a readable descriptor of the folder at `path` (`b""` is the root), which the caller closes."""
        if not path:
            return os.open(b".", os.O_RDONLY | _FOLDER, dir_fd=self._root)
        at, name = self.parent(path)
        return os.open(name, os.O_RDONLY | _FOLDER, dir_fd=at)

    def close(self) -> None:
        """Give back the kept descriptor; the root's belongs to the caller."""
        if self._parent != self._root:
            os.close(self._parent)
        self._parent, self._parent_path = self._root, b""

    def _enter(self, head: bytes) -> None:
        inside = bool(self._parent_path) and head.startswith(self._parent_path + b"/")
        rest = head[len(self._parent_path) + 1 :] if inside else head
        above = self._parent if inside else self._root
        try:
            fd = _descend(above, _pieces(rest), _open_beneath)
        except OSError:  # a kernel or container without the call; or the steps say what is wrong with which of them
            fd = _descend(above, rest.split(b"/") if rest else [], _open_step)
        self.close()
        self._parent, self._parent_path = fd, head


def _descend(above: int, parts: Iterable[bytes], step: Callable[[bytes, int], int]) -> int:
    """A descriptor of the folder that the parts of a path lead to from an open one."""
    fd = os.dup(above)
    try:
        for part in parts:
            deeper = step(part, fd)
            os.close(fd)
            fd = deeper
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open_step(name: bytes, at: int) -> int:
    return os.open(name, os.O_PATH | _FOLDER, dir_fd=at)


def _open_beneath(path: bytes, at: int) -> int:
    """One call for very many components: an archive may have very many long paths."""
    fd: int = _LIBC.syscall(_OPENAT2, at, path, ctypes.byref(_HOW), ctypes.sizeof(_HOW))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd


def _pieces(path: bytes) -> Iterator[bytes]:
    """A path in pieces that a call takes."""
    while len(path) > _CALL_BYTES and (cut := path.rfind(b"/", 0, _CALL_BYTES)) > 0:
        yield path[:cut]
        path = path[cut + 1 :]
    if path:
        yield path


def status_at(name: bytes, *, at: int) -> os.stat_result | None:
    """The lstat of a name in an open folder, or None when it is not there."""
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_folder(name: bytes, *, at: int) -> bool:
    """Whether a name in an open folder is itself a folder, not a symlink to one."""
    status = status_at(name, at=at)
    return status is not None and stat.S_ISDIR(status.st_mode)


def file_head(name: bytes, *, at: int) -> bytes | None:
    """The first bytes of a file in an open folder, None when it is none; of one that cannot be read, none."""
    status = status_at(name, at=at)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    except PermissionError:
        return b""
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, _HEAD_BYTES)
    finally:
        os.close(fd)


def folder_scan(fd: int) -> Iterator[bytes]:
    """Yield the names in an open folder as they come, never holding all of them.

    Scans of one folder may be nested: each has its own place in it, which a duplicate of the descriptor would share.
    """
    own = os.open(b".", os.O_RDONLY | _FOLDER, dir_fd=fd)
    try:
        with os.scandir(own) as entries:
            for entry in entries:
                yield os.fsencode(entry.name)
    finally:
        os.close(own)
