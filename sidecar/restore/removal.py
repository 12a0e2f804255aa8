"""Removes trees of any depth and size with one open folder and a bounded list of names."""

from __future__ import annotations

import os
import stat
from itertools import islice

from sidecar.restore.filesystem import Filesystem
from trees.folders import folder_scan, is_folder

_BATCH = 10_000


def folder_clear(fd: int, filesystem: Filesystem) -> None:
    """Remove everything in an open folder, which must be one that nobody else names things in.

    A folder found inside a folder is first moved up to the top, under its inode number, which no other has: so
    nothing is ever deeper than two, and an interrupted removal is simply begun again.
    """
    while names := list(islice(folder_scan(fd), _BATCH)):
        for name in names:
            if is_folder(name, at=fd):
                _dissolve(name, top=fd, filesystem=filesystem)
            else:
                filesystem.remove_file(name, at=fd)


def _dissolve(name: bytes, *, top: int, filesystem: Filesystem) -> None:
    inner = _open(name, at=top, filesystem=filesystem)
    try:
        while names := list(islice(folder_scan(inner), _BATCH)):
            for child in names:
                if is_folder(child, at=inner):
                    lift(child, at=inner, top=top, filesystem=filesystem)
                else:
                    filesystem.remove_file(child, at=inner)
    finally:
        os.close(inner)
    filesystem.remove_folder(name, at=top)


def lift(name: bytes, *, at: int, top: int, filesystem: Filesystem) -> None:
    """Move a folder, for its removal, up into `top`."""
    fd = _open(name, at=at, filesystem=filesystem)
    try:
        inode = os.fstat(fd).st_ino
    finally:
        os.close(fd)
    filesystem.move(name, at=at, to=b"i%d" % inode, to_at=top)


def _open(name: bytes, *, at: int, filesystem: Filesystem) -> int:
    """Open a folder and make it ours to change: without being root, the owner needs its permission bits."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, dir_fd=at)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=at)
        fd = os.open(name, flags, dir_fd=at)
    if os.fstat(fd).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        filesystem.set_mode(fd, stat.S_IRWXU)
    return fd
