"""The reserved folder at the top of a root: private to the sidecar, for one restore at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from trees.filesystem import Filesystem
from trees.folders import folder_scan
from trees.paths import RESERVED_FOLDER

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_OURS = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EACCES})


class ReservedTaken(Exception):
    """The reserved name is taken by a foreign entry, which the message describes.

    Without this check, a user who can write to the root could plant a journal for the sidecar to execute.
    """


def root_lock(root: int) -> bool:
    """Lock an open folder against other restores while it is open; False when another restore has the lock."""
    try:
        fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def root_is_empty(root: int) -> bool:
    """Whether an open folder is empty but for the reserved one."""
    return all(name == RESERVED_FOLDER for name in folder_scan(root))


def reserved_open(at: int, *, name: bytes = RESERVED_FOLDER) -> int:
    """Open the reserved folder, or another private one. Raises FileNotFoundError, `ReservedTaken`."""
    try:
        fd = os.open(name, _FOLDER, dir_fd=at)
    except OSError as error:
        if error.errno in _NOT_OURS:
            raise ReservedTaken(
                "the reserved name .savepoint is taken by something that is no folder of ours"
            ) from error
        raise
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() or status.st_dev != os.fstat(at).st_dev:
        os.close(fd)
        raise ReservedTaken("the reserved folder .savepoint belongs to another user or lies on another volume")
    return fd


def reserved_make(at: int, filesystem: Filesystem, *, name: bytes = RESERVED_FOLDER) -> int:
    """As `reserved_open`, but create a missing folder, with mode 0700."""
    is_made = False
    with contextlib.suppress(FileExistsError):
        filesystem.make_folder(name, at=at, mode=stat.S_IRWXU)
        is_made = True
    try:
        fd = reserved_open(at, name=name)
    except BaseException:
        if is_made:
            with contextlib.suppress(OSError):
                filesystem.remove_folder(name, at=at)
        raise
    try:
        if stat.S_IMODE(os.fstat(fd).st_mode) != stat.S_IRWXU:
            filesystem.set_mode(fd, stat.S_IRWXU)  # a setgid root passes its setgid bit on to this folder
    except BaseException:
        os.close(fd)
        raise
    return fd
