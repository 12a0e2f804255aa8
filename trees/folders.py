"""Names in an open folder, none of which is ever followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

_HEAD_BYTES = 64


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
    """Yield the names in an open folder as they come, never holding all of them."""
    with os.scandir(fd) as entries:
        for entry in entries:
            yield os.fsencode(entry.name)
