"""Removal of trees of any depth and size, with two open folders, a bounded list of names and no recursion."""

from __future__ import annotations

import errno
import os
import stat
from itertools import islice

from trees.filesystem import Filesystem
from trees.folders import folder_open, folder_scan, is_folder, mount_of

_BATCH = 10_000


def folder_clear(fd: int, filesystem: Filesystem) -> None:
    """Remove everything in an open folder; no other process may create names in it.

    An interrupted removal can be repeated.
    """
    while names := _names(fd):
        for name in names:
            if is_folder(name, at=fd):
                folder_remove(name, top=fd, filesystem=filesystem)
            else:
                filesystem.remove_file(name, at=fd)


def folder_remove(name: bytes, *, top: int, filesystem: Filesystem) -> None:
    """Remove a folder of `top` with its content.

    A folder inside it is first moved up to `top`, so that the depth never exceeds two.
    """
    waiting = [name]
    while waiting:
        found = waiting.pop()
        inner = folder_open(found, at=top)
        try:
            _open_up(inner, filesystem)
            while names := _names(inner):
                for child in names:
                    if not is_folder(child, at=inner):
                        filesystem.remove_file(child, at=inner)
                    elif lifted := folder_lift(child, at=inner, top=top, filesystem=filesystem):
                        waiting.append(lifted)
        finally:
            os.close(inner)
        filesystem.remove_folder(found, at=top)


def folder_lift(name: bytes, *, at: int, top: int, filesystem: Filesystem) -> bytes | None:
    """Move a folder up into `top` for its removal, under its unique inode number; return that name.

    Returns None when the file system cannot rename the folder, which is then removed in place. Such a folder belongs
    to the lower layer of an overlay; folders created inside it can still be moved up.
    """
    status = os.lstat(name, dir_fd=at)
    if status.st_mode & stat.S_IWUSR == 0:
        # A move rewrites the folder's `..`, for which its owner needs write permission.
        fd = folder_open(name, at=at)
        try:
            _open_up(fd, filesystem)
        finally:
            os.close(fd)
    lifted = b"i%d" % status.st_ino
    try:
        filesystem.move(name, at=at, to=lifted, to_at=top)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _remove_in_place(name, at=at, filesystem=filesystem)
        return None
    return lifted


def _open_up(fd: int, filesystem: Filesystem) -> None:
    """Give the owner of an open folder full access; only root could change it without these permission bits."""
    if os.fstat(fd).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        filesystem.set_mode(fd, stat.S_IRWXU)


def _remove_in_place(name: bytes, *, at: int, filesystem: Filesystem) -> None:
    """Remove a folder in place, deepest folders first, each opened by its path below `at`. Raise EBUSY for a mount."""
    path, mount = [name], mount_of(at)
    while path:
        inner = _open_below(path, at=at)
        try:
            if mount_of(inner) != mount:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            deeper = _remove_files(inner, filesystem)
        finally:
            os.close(inner)
        if deeper is not None:
            path.append(deeper)
            continue
        above = _open_below(path[:-1], at=at)
        try:
            filesystem.remove_folder(path.pop(), at=above)
        finally:
            os.close(above)


def _remove_files(fd: int, filesystem: Filesystem) -> bytes | None:
    """Remove all entries that are not folders; returns the first folder found, None when the folder is empty."""
    _open_up(fd, filesystem)
    while names := _names(fd):
        for name in names:
            if is_folder(name, at=fd):
                return name
            filesystem.remove_file(name, at=fd)
    return None


def _open_below(path: list[bytes], *, at: int) -> int:
    fd = os.dup(at)
    for part in path:
        try:
            deeper = folder_open(part, at=fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


def _names(fd: int) -> list[bytes]:
    return list(islice(folder_scan(fd), _BATCH))
