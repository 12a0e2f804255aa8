"""Removing trees of any depth and size, with two open folders and no recursion."""

from __future__ import annotations

import os
import stat
from itertools import islice

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
    os.rename(name, lifted, src_dir_fd=at, dst_dir_fd=top)
    return lifted


def _names(fd: int) -> list[bytes]:
    again = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    try:
        with os.scandir(again) as entries:
            return [os.fsencode(entry.name) for entry in islice(entries, _BATCH)]
    finally:
        os.close(again)
