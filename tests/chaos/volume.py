"""The file system that runs lie on: an ext4 of their own, where inode numbers are handed out again and flags exist."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.trees import paths_of

MEBIBYTES = 512
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_IMMUTABLE_FL = 0x10
"""The numbers of Linux's `linux/fs.h` on machines of 64 bits."""


@contextmanager
def volume(folder: Path) -> Iterator[Path]:
    """An empty ext4 in a file of `folder`, mounted for the block; the folder itself where that may not be mounted."""
    image, mounted = folder / "image", folder / "volume"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(MEBIBYTES << 20)
    made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], capture_output=True, check=False)
    if (
        made.returncode
        or subprocess.run(["mount", "-o", "loop", image, mounted], capture_output=True, check=False).returncode
    ):
        image.unlink()
        yield mounted
        return
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", mounted], check=True)
        image.unlink()


def immutable_set(path: bytes, *, on: bool) -> bool:
    """Set or clear the flag that forbids every change of a file or folder; return whether it can be set here."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        flags = _flags(descriptor)
        flags = flags | FS_IMMUTABLE_FL if on else flags & ~FS_IMMUTABLE_FL
        fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", flags))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def immutable_found(root: Path) -> set[bytes]:
    """The paths below a folder, relative to it, that are immutable under whichever of their names."""
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
