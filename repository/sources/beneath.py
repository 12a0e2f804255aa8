"""Opening what lies below a folder by its path, and nothing else, whatever is swapped for a symbolic link meanwhile."""

import ctypes
import errno
import os
import weakref
from functools import cache
from pathlib import Path
from typing import Final

# A FIFO that takes a file's place must not make a call wait for its writer.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# The same number on every architecture of Linux but Alpha.
_OPENAT2: Final = 437
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08

# What openat2 says of a path that the way by single steps may still open: too long a path, a rename in between.
_BY_STEPS: Final = frozenset({errno.ENAMETOOLONG, errno.EAGAIN})
_NO_WAY: Final = (b"", b".", b"..")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t]


class Root:
    """An open folder. Every method but `close` raises OSError and may be called from several threads."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.close = weakref.finalize(self, os.close, self.descriptor)

    def open(self, path: bytes, flags: int = 0) -> int:
        """A descriptor for reading what lies at that path from the root; an empty path is the root.

        No step is through a symbolic link. The access time stays where the system lets it.
        """
        flags |= _FLAGS
        try:
            return self._open(path, flags | os.O_NOATIME)
        except PermissionError as error:
            if error.errno != errno.EPERM:
                raise
            # Only the owner and root may leave the access time alone.
            return self._open(path, flags)

    def _open(self, path: bytes, flags: int) -> int:
        if not path:
            return os.open(b".", flags, dir_fd=self.descriptor)
        if openat2_works():
            try:
                return _openat2(self.descriptor, path, flags)
            except OSError as error:
                if error.errno not in _BY_STEPS:
                    raise
        return _open_by_steps(self.descriptor, path, flags)


@cache
def openat2_works() -> bool:
    """Whether the kernel has the call, and a container's filter lets it through."""
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


def _open_by_steps(folder: int, path: bytes, flags: int) -> int:
    *above, name = path.split(b"/")
    if name in _NO_WAY or any(step in _NO_WAY for step in above):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    descriptor = os.dup(folder)
    for step in above:
        outer = descriptor
        try:
            descriptor = os.open(step, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
        finally:
            os.close(outer)
    try:
        return os.open(name, flags, dir_fd=descriptor)
    finally:
        os.close(descriptor)
