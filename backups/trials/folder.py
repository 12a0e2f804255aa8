"""The private folder of a test restore, on the disk of the worker."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from backups.errors import ScratchFullError
from common.errors import PortalDiskUnwritable
from trees.filesystem import Filesystem
from trees.folders import fd_closing, folder_open, folder_scan
from trees.removal import folder_clear, folder_remove

FOLDER: Final = "trials"
RESERVE_BYTES: Final = 256 << 20
"""So much of the disk is left free for the portal itself."""
LEAST_BYTES: Final = 64 << 20
"""A test restore of more content does not begin with less room: its slices would be too small to be worth the time."""


@contextmanager
def trial_folder(name: str) -> Iterator[int]:
    """A descriptor of a new, empty, locked folder, which is removed when the block ends.

    What a killed worker left is removed first. Raises ScratchFullError and PortalDiskUnwritable, also for the block's
    own OSErrors.
    """
    try:
        with _top() as top:
            with _held(top):
                _sweep(top)
                os.mkdir(os.fsencode(name), stat.S_IRWXU, dir_fd=top)
                folder = folder_open(os.fsencode(name), at=top)
                # Locked before the others may sweep again.
                fcntl.flock(folder, fcntl.LOCK_EX)
            with fd_closing(folder):
                try:
                    yield folder
                finally:
                    folder_clear(folder, Filesystem())
                    os.rmdir(os.fsencode(name), dir_fd=top)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ScratchFullError(
                needed_bytes=RESERVE_BYTES + LEAST_BYTES, free_bytes=_free_bytes(settings.SAVEPOINT_HOME)
            ) from error
        raise PortalDiskUnwritable from error


def trial_room(folder: int, *, content_bytes: int) -> int:
    """The bytes that a test restore of so much content may write at a time: the setting, or less on a fuller disk.

    Raises ScratchFullError when that is too little.
    """
    free = _free_bytes(folder)
    most = settings.SAVEPOINT_TRIAL_MIB << 20
    room = min(most, free - RESERVE_BYTES)
    needed = min(LEAST_BYTES, content_bytes, most)
    if room < needed:
        raise ScratchFullError(needed_bytes=RESERVE_BYTES + needed, free_bytes=free)
    return max(room, 1)


def _free_bytes(place: int | Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def trials_sweep() -> int:
    """Remove the folders of test restores whose workers were killed, on this machine; return how many."""
    if not _place().is_dir():
        return 0
    with _top() as top, _held(top):
        return _sweep(top)


def _place() -> Path:
    return Path(settings.SAVEPOINT_HOME) / FOLDER


@contextmanager
def _top() -> Iterator[int]:
    """The folder of all test restores of this machine."""
    _place().mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    with fd_closing(os.open(_place(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)) as top:
        yield top


@contextmanager
def _held(top: int) -> Iterator[None]:
    """Hold the folder: without it, a new folder could be swept before its lock is taken."""
    fcntl.flock(top, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(top, fcntl.LOCK_UN)


def _sweep(top: int) -> int:
    """Remove every folder that no process has locked. A killed process loses its lock."""
    removed = 0
    for name in list(folder_scan(top)):
        with fd_closing(folder_open(name, at=top)) as found:
            try:
                fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            folder_remove(name, top=top, filesystem=Filesystem())
            removed += 1
    return removed
