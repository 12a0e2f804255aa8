"""The folders of a target, opened step by step from its root, never through a symbolic link."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from contextlib import suppress

from trees.folders import folder_open, is_folder

OPEN_MAX = 128


class Folder:
    """An open folder. `foreign`: it lies on another volume than the root. `holds`: number of its users."""

    __slots__ = ("fd", "foreign", "holds", "path")

    def __init__(self, path: bytes, fd: int, status: os.stat_result, device: int) -> None:
        self.path = path
        self.fd = fd
        self.foreign = status.st_dev != device
        self.holds = 0


class Folders:
    """A cache of up to 128 open folders, plus those in use (`hold`). One thread calls; any may use the descriptors.

    A folder that is moved while it is open stays the folder that was opened below the root.
    """

    def __init__(self, root: int) -> None:
        self._device = os.fstat(root).st_dev
        self._open: OrderedDict[bytes, Folder] = OrderedDict()
        self._held = 0
        self.root = Folder(b"", root, os.fstat(root), self._device)

    def get(self, path: bytes) -> Folder:
        """Open the folder at a path; raises OSError when a name on the way is missing or no folder."""
        found = self._open.get(path)
        if found is not None:
            self._open.move_to_end(path)
            return found
        missing: list[bytes] = []
        at = path
        while at and at not in self._open:
            missing.append(at)
            at = parent_of(at)
        folder = self._open[at] if at else self.root
        for step in reversed(missing):
            folder = self._opened(step, folder)
        return folder

    def hold(self, folder: Folder) -> None:
        """Keep a folder open until `release` was called as often."""
        folder.holds += 1
        self._held += folder.holds == 1

    def release(self, folder: Folder) -> None:
        """Undo one `hold`."""
        folder.holds -= 1
        self._held -= folder.holds == 0

    def make(self, path: bytes) -> bool:
        """Ensure a writable folder at a path, replacing anything else there; return whether it was made."""
        parent, name = self.get(parent_of(path)), name_of(path)
        try:
            os.mkdir(name, stat.S_IRWXU, dir_fd=parent.fd)
        except FileExistsError:
            if is_folder(name, at=parent.fd):
                self._widen(self.get(path))
                return False
            os.unlink(name, dir_fd=parent.fd)
            os.mkdir(name, stat.S_IRWXU, dir_fd=parent.fd)
        return True

    def close(self) -> None:
        """Close all descriptors but the root's."""
        for folder in self._open.values():
            os.close(folder.fd)
        self._open.clear()

    def _opened(self, path: bytes, above: Folder) -> Folder:
        fd = folder_open(name_of(path), at=above.fd)
        folder = self._open[path] = Folder(path, fd, os.fstat(fd), self._device)
        if len(self._open) > OPEN_MAX + self._held:
            oldest = next(key for key, found in self._open.items() if not found.holds)
            os.close(self._open.pop(oldest).fd)
        return folder

    def _widen(self, folder: Folder) -> None:
        """Give the owner all permissions on a folder; its own bits come back at the end of the restore."""
        mode = os.fstat(folder.fd).st_mode
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(PermissionError):
                os.fchmod(folder.fd, stat.S_IMODE(mode) | stat.S_IRWXU)


def parent_of(path: bytes) -> bytes:
    """The path of the folder that holds it."""
    return path.rpartition(b"/")[0]


def name_of(path: bytes) -> bytes:
    """The last name of a path."""
    return path.rpartition(b"/")[2]
