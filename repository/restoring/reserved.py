"""The reserved folder at a target's root: what is on its way lies there, and nothing else of a restore's."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from itertools import count

from repository.errors import TargetBusy, TargetFailed
from repository.restoring.folders import Folder
from trees.filesystem import Filesystem
from trees.paths import RESERVED_FOLDER
from trees.removal import folder_clear, folder_lift, folder_remove

_OURS = b"restoring"
_BESIDE = b".savepoint."


class Reserved:
    """`.savepoint/restoring` below the root: temporary files, and what is about to be removed.

    Only one restore at a time has it; what one that died left behind is removed. Raises `TargetBusy`, `TargetFailed`,
    OSError.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._filesystem = Filesystem()
        self._numbers = count()
        self._swept: set[bytes] = set()
        try:
            fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetBusy("another restore is at work on this target") from None
        self._closed = False
        self._outer = _private(RESERVED_FOLDER, at=root)
        try:
            self.fd = _private(_OURS, at=self._outer)
            folder_clear(self.fd, self._filesystem)
        except BaseException:
            os.close(self._outer)
            with contextlib.suppress(OSError):
                os.rmdir(RESERVED_FOLDER, dir_fd=root)
            raise

    def place(self, folder: Folder) -> tuple[int, bytes]:
        """Where to make a temporary file that is to be renamed into that folder: a descriptor and a name."""
        number = next(self._numbers)
        if not folder.foreign:
            return self.fd, b"%d" % number
        return folder.fd, _BESIDE + b"%d" % number

    def enter(self, folder: Folder) -> None:
        """Before the first temporary file in a folder on another volume, remove those of a restore that died there."""
        if folder.foreign and folder.path not in self._swept:
            self._swept.add(folder.path)
            _sweep_beside(folder.fd)

    def take(self, name: bytes, *, at: int) -> None:
        """Move a folder away, and remove it with all it holds."""
        if lifted := folder_lift(name, at=at, top=self.fd, filesystem=self._filesystem):
            folder_remove(lifted, top=self.fd, filesystem=self._filesystem)

    def close(self) -> None:
        """Remove what is left, and the folder itself unless others use it; once is enough."""
        if self._closed:
            return
        self._closed = True
        try:
            with contextlib.suppress(OSError):
                folder_clear(self.fd, self._filesystem)
                os.rmdir(_OURS, dir_fd=self._outer)
                os.rmdir(RESERVED_FOLDER, dir_fd=self._root)
        finally:
            os.close(self.fd)
            os.close(self._outer)


def _private(name: bytes, *, at: int) -> int:
    """Open a folder that nobody but we can use, made when it is not there."""
    try:
        os.mkdir(name, stat.S_IRWXU, dir_fd=at)
    except FileExistsError:
        return _private_opened(name, at=at)
    try:
        return _private_opened(name, at=at)
    except BaseException:
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=at)
        raise


def _private_opened(name: bytes, *, at: int) -> int:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EACCES):
            raise TargetFailed("the reserved name .savepoint is taken by something that is no folder of ours") from None
        raise
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() or status.st_dev != os.fstat(at).st_dev:
        os.close(fd)
        raise TargetFailed("the reserved folder .savepoint belongs to another user or lies on another volume")
    if stat.S_IMODE(status.st_mode) != stat.S_IRWXU:
        os.fchmod(fd, stat.S_IRWXU)
    return fd


def _sweep_beside(folder: int) -> None:
    """Remove the temporary files of a restore that died, in a folder that cannot have them in the reserved one."""
    with os.scandir(folder) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    for name in names:
        if name.startswith(_BESIDE) and name[len(_BESIDE) :].isdigit():
            os.unlink(name, dir_fd=folder)
