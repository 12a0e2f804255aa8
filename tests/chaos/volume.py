"""The file system of runs: an ext4 of their own, which reuses inode numbers and supports flags."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.trees import paths_of
from tests.volumes import ext4_mount, unmount

MEBIBYTES = 512
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_IMMUTABLE_FL = 0x10
"""Constants of Linux's `linux/fs.h` on 64-bit machines."""


@contextmanager
def volume(folder: Path) -> Iterator[Path]:
    """An empty ext4, mounted in `folder` for the block; a plain folder if mounting is not allowed."""
    mounted = folder / "volume"
    mounted.mkdir()
    is_mount = ext4_mount(mounted, mebibytes=MEBIBYTES)
    try:
        yield mounted
    finally:
        if is_mount:
            unmount(mounted)


def immutable_begin(path: bytes) -> int | None:
    """Make a file or folder immutable; returns a descriptor for `immutable_end`, or None where there is no such flag.
    The descriptor leads to the same entry after renames and mounts.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        _flag(descriptor, on=True)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def immutable_end(descriptor: int) -> None:
    """Allow changes again."""
    _flag(descriptor, on=False)
    os.close(descriptor)


def immutable_found(root: Path) -> set[bytes]:
    """The immutable paths below a folder, relative to it, under any of their names."""
    return {path[len(os.fsencode(root)) + 1 :] for path in paths_of(root) if _is_immutable(path)}


def _is_immutable(path: bytes) -> bool:
    if stat.S_IFMT(os.lstat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return bool(_flags(descriptor) & FS_IMMUTABLE_FL)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _flags(descriptor: int) -> int:
    (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, struct.pack("l", 0)))
    return int(flags)


def _flag(descriptor: int, *, on: bool) -> None:
    flags = _flags(descriptor)
    flags = flags | FS_IMMUTABLE_FL if on else flags & ~FS_IMMUTABLE_FL
    fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", flags))
