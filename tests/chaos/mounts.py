"""Mounts inside a data root, in a mount namespace of this process and its children; they end with it."""

# Names are bytes here, which pathlib does not take, and the two calls of mount(2):
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import ctypes
import os
import re
from functools import cache
from pathlib import Path

from tests.chaos.user import USER

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
"""Constants of Linux's `linux/sched.h` and `linux/mount.h`."""
# Larger than the space that a restore leaves free on a volume.
TMPFS = f"mode=755,uid={USER},gid={USER},size=256m".encode()
OCTAL = re.compile(rb"\\([0-7]{3})")
LIBC = ctypes.CDLL(None, use_errno=True)


@cache
def namespace_own() -> bool:
    """Move this process to a mount namespace of its own, once; returns whether that is allowed."""
    return not LIBC.unshare(CLONE_NEWNS) and not LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def tmpfs_mount(path: bytes) -> bool:
    """Mount an empty volume on a folder; returns whether that worked."""
    return not LIBC.mount(b"none", path, b"tmpfs", 0, TMPFS)


def bind_mount(source: bytes, path: bytes) -> bool:
    """Bind a folder or a file to a path; returns whether that worked."""
    return not LIBC.mount(source, path, None, MS_BIND, None)


def unmount(path: bytes) -> None:
    """Unmount the topmost mount of a path. Raises OSError."""
    if LIBC.umount2(path, MNT_DETACH):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def mount_points(root: Path) -> list[bytes]:
    """The mount points below a folder, in the order of mounting."""
    below = os.fsencode(root.resolve()) + b"/"
    with open("/proc/self/mountinfo", "rb") as table:
        points = [OCTAL.sub(lambda found: bytes([int(found[1], 8)]), line.split(b" ")[4]) for line in table]
    return [os.path.join(os.fsencode(root), point[len(below) :]) for point in points if point.startswith(below)]
