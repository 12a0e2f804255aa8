"""The mount table: the mount points of other volumes, and the location of an open folder in its volume."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from trees.folders import path_of

_MOUNT_TABLE = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-7]{3})")
_MOUNT_ID = re.compile(rb"^mnt_id:\s*(\d+)$", re.MULTILINE)
_IN_MEMORY = frozenset({b"tmpfs", b"ramfs"})


class Origin(NamedTuple):
    """The location of a folder: its volume, its path in that volume, and whether the volume is in memory only.

    A folder that is mounted twice has one origin.
    """

    volume: bytes
    path: bytes
    in_memory: bool

    def overlaps(self, other: Origin) -> bool:
        """Whether one folder lies in the other."""
        if self.volume != other.volume:
            return False
        ours, theirs = self.path.rstrip(b"/") + b"/", other.path.rstrip(b"/") + b"/"
        return ours.startswith(theirs) or theirs.startswith(ours)


class _Mount(NamedTuple):
    volume: bytes
    root: bytes
    point: bytes
    kind: bytes


class Mounts:
    """The mount points below a root and below other folders, by their paths relative to the root.

    The mount table (proc(5)) shows bind mounts of the same device and of single files. The device number of a folder
    shows borders that are no mounts, but which no rename crosses either, such as a btrfs subvolume.
    """

    def __init__(self, root_fd: int) -> None:
        self._table = _mounts()
        self.points: dict[bytes, int] = {}
        self.look_below(root_fd, b"")

    def look_below(self, fd: int, path: bytes) -> None:
        """Add the mount points below an open folder, which is treated as lying at `path`."""
        top = path_of(fd).rstrip(b"/") + b"/"
        before = path + b"/" if path else b""
        for mount in self._table.values():
            if mount.point.startswith(top) and mount.point != top:
                self.points[before + mount.point[len(top) :]] = _device(mount.point)

    def is_point(self, path: bytes, status: os.stat_result, *, folder: int) -> bool:
        """Whether a path in an open folder is a mount point; a single file can be one."""
        foreign = stat.S_ISDIR(status.st_mode) and status.st_dev != os.fstat(folder).st_dev
        return foreign or path in self.points

    def origin(self, fd: int) -> Origin | None:
        """The location of an open folder; None when the mount table does not show it."""
        try:
            told = _MOUNT_ID.search(Path(f"/proc/self/fdinfo/{fd}").read_bytes())
        except OSError:
            return None
        mount = self._table.get(told[1]) if told else None
        name = path_of(fd)
        if mount is None or not (name + b"/").startswith(mount.point.rstrip(b"/") + b"/"):
            return None
        below = name[len(mount.point.rstrip(b"/")) :]
        return Origin(mount.volume, mount.root.rstrip(b"/") + below, mount.kind in _IN_MEMORY)


def _device(point: bytes) -> int:
    try:
        return os.lstat(point).st_dev
    except OSError:
        return -1


def _mounts() -> dict[bytes, _Mount]:
    """The mounts by their ids; a line is `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - KIND …`."""
    mounts = {}
    for line in _MOUNT_TABLE.read_bytes().split(b"\n")[:-1]:
        fields, _, rest = line.partition(b" - ")
        number, _, volume, root, point, *_ = fields.split(b" ")
        mounts[number] = _Mount(volume, _plain(root), _plain(point), rest.partition(b" ")[0])
    return mounts


def _plain(name: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), name)
