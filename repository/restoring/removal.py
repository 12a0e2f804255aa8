"""Removing trees of any depth and size, with two open folders and no recursion."""

from __future__ import annotations

import errno
import os
import stat
from itertools import islice
from pathlib import Path

from repository.restoring.folders import folder_open, is_folder

_BATCH = 10_000


def folder_clear(fd: int) -> None:
    """Remove everything in an open folder in which nobody else makes names."""
    while names := _names(fd):
        for name in names:
            if is_folder(name, at=fd):
                folder_remove(name, top=fd)
            else:
                os.unlink(name, dir_fd=fd)


def folder_remove(name: bytes, *, top: int) -> None:
    """Remove a folder of `top` with all it holds.

    A folder found inside is first moved up to `top`, under its inode number, so that nothing is ever deeper than two.
    """
    waiting = [name]
    while waiting:
        found = waiting.pop()
        inner = folder_open(found, at=top)
        try:
            if os.fstat(inner).st_mode & stat.S_IRWXU != stat.S_IRWXU:
                os.fchmod(inner, stat.S_IRWXU)
            while names := _names(inner):
                waiting += [lifted for child in names if (lifted := _emptied(child, at=inner, top=top)) is not None]
        finally:
            os.close(inner)
        os.rmdir(found, dir_fd=top)


def _emptied(name: bytes, *, at: int, top: int) -> bytes | None:
    """Take a name away: unlinked, or as a folder moved up; returns what it is called there."""
    status = os.lstat(name, dir_fd=at)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=at)
        return None
    if status.st_mode & stat.S_IWUSR == 0:
        # Moving a folder changes what it says of the one above it, for which its owner needs to write.
        held = folder_open(name, at=at)
        try:
            os.fchmod(held, stat.S_IRWXU)
        finally:
            os.close(held)
    lifted = b"inode-%d" % status.st_ino
    return lifted if folder_lift(name, at=at, to=lifted, top=top) else None


def folder_lift(name: bytes, *, at: int, to: bytes, top: int) -> bool:
    """Move a folder into `top`. False when its filesystem renames no such folder, and it was removed where it is.

    That is an overlay's folder of a lower layer; a folder made above one may be in it, and is lifted.
    """
    try:
        os.rename(name, to, src_dir_fd=at, dst_dir_fd=top)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _remove_in_place(name, at=at)
        return False
    return True


def _remove_in_place(name: bytes, *, at: int) -> None:
    """Remove a folder from its deepest one upwards, each opened by its path below `at`. Raise EBUSY for a mount."""
    path, mount = [name], mount_of(at)
    while path:
        inner = _open_below(path, at=at)
        try:
            if mount_of(inner) != mount:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            deeper = _unlink_files(inner)
        finally:
            os.close(inner)
        if deeper is not None:
            path.append(deeper)
            continue
        above = _open_below(path[:-1], at=at)
        try:
            os.rmdir(path.pop(), dir_fd=above)
        finally:
            os.close(above)


def _unlink_files(fd: int) -> bytes | None:
    """Remove what is no folder until there is nothing, or return the first folder."""
    if os.fstat(fd).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(fd, stat.S_IRWXU)
    while names := _names(fd):
        for name in names:
            if is_folder(name, at=fd):
                return name
            os.unlink(name, dir_fd=fd)
    return None


def mount_of(fd: int) -> str:
    """The id of the mount that an open folder is on: a bind mount of the same device has one of its own."""
    (line,) = (line for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines() if line.startswith("mnt_id"))
    return line


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
    again = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    try:
        with os.scandir(again) as entries:
            return [os.fsencode(entry.name) for entry in islice(entries, _BATCH)]
    finally:
        os.close(again)
