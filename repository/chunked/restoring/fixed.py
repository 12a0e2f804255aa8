"""Files that this process can neither remove nor replace."""

from __future__ import annotations

import contextlib
import os

from trees.beneath import open_for_reading
from trees.fixed import is_fixed, is_frozen
from trees.folders import mount_of

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def file_is_fixed(name: bytes, status: os.stat_result, *, folder: int) -> bool:
    """Whether a file can neither be removed from an open folder nor be replaced; `status` is its lstat."""
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
        return False  # of one that cannot be read, the flags cannot be asked
    try:
        return is_frozen(fd)
    finally:
        os.close(fd)
