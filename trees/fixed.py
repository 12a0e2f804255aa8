"""Finds names that this process cannot move: immutable and append-only files, mounts, names in others' folders."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys

from trees.beneath import open_for_reading
from trees.folders import mount_of

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_GET_FLAGS = 0x8008_6601  # FS_IOC_GETFLAGS, see ioctl_iflags(2)
_FROZEN = 0x10 | 0x20  # immutable, append-only


def is_frozen(fd: int) -> bool:
    """Whether an open file or folder is immutable or append-only."""
    flags = bytearray(8)
    try:
        fcntl.ioctl(fd, _GET_FLAGS, flags)
    except OSError:
        return False  # a filesystem without such flags
    return bool(int.from_bytes(flags[:4], sys.byteorder) & _FROZEN)


def metadata_fixed(fd: int) -> bool:
    """Whether neither permissions nor owner of an open file or folder can be changed."""
    return is_frozen(fd) or os.geteuid() not in (0, os.fstat(fd).st_uid)


def names_fixed(folder: int) -> bool:
    """Whether no name in an open folder can be made or removed.

    The owner of a folder can do so: a restore sets missing permissions of its own folders for a time.
    """
    if is_frozen(folder):
        return True
    is_ours = os.fstat(folder).st_uid == os.geteuid()
    return not is_ours and not os.access(b".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True)


def is_fixed(status: os.stat_result, *, folder: int, fd: int | None = None) -> bool:
    """Whether the entry with this lstat cannot be moved out of its folder. `fd`: the open file or folder, if any."""
    if names_fixed(folder) or (fd is not None and is_frozen(fd)):
        return True
    user, owner = os.geteuid(), status.st_uid
    if user in (0, owner):
        return False
    above = os.fstat(folder)
    if above.st_mode & stat.S_ISVTX and user != above.st_uid:
        return True
    # A move changes the `..` of a folder, which takes the right to write in it.
    is_folder = stat.S_ISDIR(status.st_mode)
    return is_folder and not os.access(b".", os.W_OK, dir_fd=fd, effective_ids=True)


def file_is_fixed(name: bytes, status: os.stat_result, *, folder: int) -> bool:
    """Whether a file in an open folder can be neither removed nor replaced; `status` is its lstat."""
    return is_fixed(status, folder=folder) or _is_mounted(name, folder) or _is_frozen(name, folder)


def _is_mounted(name: bytes, folder: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(name, _LOOK, dir_fd=folder)
        try:
            return mount_of(fd) != mount_of(folder)
        finally:
            os.close(fd)
    return False


def _is_frozen(name: bytes, folder: int) -> bool:
    try:
        fd = open_for_reading(name, folder)
    except OSError:
        return False  # an unreadable file does not show its flags
    try:
        return is_frozen(fd)
    finally:
        os.close(fd)
