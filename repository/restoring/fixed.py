"""Names that this process cannot take away: immutable and append-only files, mounted ones, those in others' folders.

The rule is the sidecar's too (`sidecar/restore/fixed.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys

from repository.restoring.removal import mount_of

_GET_FLAGS = 0x8008_6601  # FS_IOC_GETFLAGS, see ioctl_iflags(2)
_FROZEN = 0x10 | 0x20  # immutable, append-only
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def file_is_fixed(name: bytes, status: os.stat_result, *, folder: int) -> bool:
    """Whether a file can neither be removed from an open folder nor be replaced; `status` is its lstat."""
    if _names_fixed(folder) or _is_mounted(name, folder) or _file_is_frozen(name, folder):
        return True
    above, user = os.fstat(folder), os.geteuid()
    return bool(above.st_mode & stat.S_ISVTX) and user not in (0, status.st_uid, above.st_uid)


def _names_fixed(folder: int) -> bool:
    """Whether no name in an open folder can be made or taken away. Its owner can: a restore widens its own folders."""
    if _is_frozen(folder):
        return True
    is_ours = os.fstat(folder).st_uid == os.geteuid()
    return not is_ours and not os.access(b".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True)


def _is_mounted(name: bytes, folder: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(name, _LOOK, dir_fd=folder)
        try:
            return mount_of(fd) != mount_of(folder)
        finally:
            os.close(fd)
    return False


def _file_is_frozen(name: bytes, folder: int) -> bool:
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return False  # of one that cannot be read, the flags cannot be asked
    try:
        return _is_frozen(fd)
    finally:
        os.close(fd)


def _is_frozen(fd: int) -> bool:
    flags = bytearray(8)
    try:
        fcntl.ioctl(fd, _GET_FLAGS, flags)
    except OSError:
        return False  # a filesystem without such flags
    return bool(int.from_bytes(flags[:4], sys.byteorder) & _FROZEN)
