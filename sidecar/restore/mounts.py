"""Where other volumes are mounted inside a data root: no renaming to there or from there."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_MOUNT_TABLE = Path("/proc/self/mountinfo")
_MOUNT_POINT_FIELD = 4
_OCTAL = re.compile(rb"\\([0-7]{3})")


class Mounts:
    """The mount points below a root, relative to it, and the device that the root is on.

    The mount table (proc(5)) knows bind mounts of the same device and of single files; the device number of a folder
    knows what is no mount at all but cannot be renamed across either, such as a btrfs subvolume.
    """

    def __init__(self, root_fd: int) -> None:
        self._device = os.fstat(root_fd).st_dev
        root = os.fsencode(Path(f"/proc/self/fd/{root_fd}").readlink()).rstrip(b"/") + b"/"
        self._points = {
            point[len(root) :]: _device(point) for point in _mount_points() if point.startswith(root) and point != root
        }

    def is_point(self, path: bytes, status: os.stat_result, *, folder: int) -> bool:
        """Whether something is mounted right at a path in an open folder, be it a single file."""
        foreign = stat.S_ISDIR(status.st_mode) and status.st_dev != os.fstat(folder).st_dev
        return foreign or path in self._points

    def cover(self, path: bytes) -> bool:
        """Whether a path is a mount point, or lies below one."""
        return any(path == point or path.startswith(point + b"/") for point in self._points)

    def is_elsewhere(self, path: bytes) -> bool:
        """Whether a path lies below a mount point of another device: no hard link leads there."""
        return any(device != self._device and path.startswith(point + b"/") for point, device in self._points.items())


def _device(point: bytes) -> int:
    try:
        return os.lstat(point).st_dev
    except OSError:
        return -1


def _mount_points() -> list[bytes]:
    points = (line.split(b" ")[_MOUNT_POINT_FIELD] for line in _MOUNT_TABLE.read_bytes().split(b"\n")[:-1])
    return [_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), point) for point in points]
