"""The reserved folder at a target's root, which holds all temporary files of a restore."""

from __future__ import annotations

import contextlib
import os
from itertools import count

from repository.chunked.restoring.folders import Folder
from repository.errors import TargetBusy, TargetFailed
from trees.filesystem import Filesystem
from trees.paths import RESERVED_FOLDER
from trees.removal import folder_clear, folder_lift, folder_remove
from trees.reserved import ReservedTaken, reserved_make, root_lock

_OURS = b"restoring"
_BESIDE = b".savepoint."


class Reserved:
    """`.savepoint/restoring` below the root: temporary files, and folders that are being removed.

    One restore at a time locks it, and deletes the leftovers of a restore that died. Raises `TargetBusy`,
    `TargetFailed`, OSError.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._filesystem = Filesystem()
        self._numbers = count()
        self._swept: set[bytes] = set()
        if not root_lock(root):
            raise TargetBusy("another restore is running on this target")
        self._closed = False
        try:
            self._outer, self.fd = self._made()
        except ReservedTaken as error:
            raise TargetFailed(str(error)) from None

    def _made(self) -> tuple[int, int]:
        outer = reserved_make(self._root, self._filesystem)
        try:
            ours = reserved_make(outer, self._filesystem, name=_OURS)
            try:
                folder_clear(ours, self._filesystem)
            except BaseException:
                os.close(ours)
                raise
        except BaseException:
            self._leave(outer)
            os.close(outer)
            raise
        return outer, ours

    def _leave(self, outer: int) -> None:
        """Remove each of the two folders if it is empty."""
        with contextlib.suppress(OSError):
            os.rmdir(_OURS, dir_fd=outer)
        with contextlib.suppress(OSError):
            os.rmdir(RESERVED_FOLDER, dir_fd=self._root)

    def place(self, folder: Folder) -> tuple[int, bytes]:
        """Return the place of a temporary file for a folder: the descriptor of its folder, and its name."""
        number = next(self._numbers)
        if not folder.foreign:
            return self.fd, b"%d" % number
        return folder.fd, _BESIDE + b"%d" % number

    def enter(self, folder: Folder) -> None:
        """Delete the leftovers in a folder on another volume, before its first temporary file is made."""
        if folder.foreign and folder.path not in self._swept:
            self._swept.add(folder.path)
            _sweep_beside(folder.fd)

    def take(self, name: bytes, *, at: int) -> None:
        """Move a folder into the reserved one, and remove it with its content."""
        if lifted := folder_lift(name, at=at, top=self.fd, filesystem=self._filesystem):
            folder_remove(lifted, top=self.fd, filesystem=self._filesystem)

    def close(self) -> None:
        """Remove the temporary files, and the folder unless it is in use. Later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            with contextlib.suppress(OSError):
                folder_clear(self.fd, self._filesystem)
            self._leave(self._outer)
        finally:
            os.close(self.fd)
            os.close(self._outer)


def _sweep_beside(folder: int) -> None:
    """Delete a dead restore's temporary files in a folder of another volume, which holds its own."""
    with os.scandir(folder) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    for name in names:
        if name.startswith(_BESIDE) and name[len(_BESIDE) :].isdigit():
            os.unlink(name, dir_fd=folder)
