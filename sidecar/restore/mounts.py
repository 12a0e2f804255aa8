"""Where other volumes are mounted inside a data root: no renaming to there or from there."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from sidecar.errors import Refused
from sidecar.restore.member_paths import shown

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
        self._points = [point[len(root) :] for point in _mount_points() if point.startswith(root) and point != root]

    def is_mounted(self, path: bytes) -> bool:
        """Whether something is mounted right at a path, be it a single file."""
        return path in self._points

    def refuse(self, path: bytes, status: os.stat_result) -> None:
        """Raise Refused when the live `path` is, or holds, something mounted."""
        foreign = stat.S_ISDIR(status.st_mode) and status.st_dev != self._device
        if foreign or any(point == path or point.startswith(path + b"/") for point in self._points):
            raise Refused(f"another volume is mounted at or below {shown(path)}: it cannot be restored in place")

    def refuse_entry(self, path: bytes, status: os.stat_result) -> None:
        """Raise Refused when the live folder at `path` is itself a mount point; what is mounted deeper may stay."""
        if status.st_dev != self._device or path in self._points:
            raise Refused(f"another volume is mounted at {shown(path)}: it cannot be restored in place")


def _mount_points() -> list[bytes]:
    points = (line.split(b" ")[_MOUNT_POINT_FIELD] for line in _MOUNT_TABLE.read_bytes().split(b"\n")[:-1])
    return [_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), point) for point in points]
