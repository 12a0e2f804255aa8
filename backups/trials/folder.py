"""The private folder of a test restore, on the disk of the worker."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from common.errors import PortalDiskUnwritable
from trees.filesystem import Filesystem
from trees.folders import fd_closing, folder_open, folder_scan
from trees.removal import folder_clear, folder_remove

FOLDER = "trials"


@contextmanager
def trial_folder(name: str) -> Iterator[int]:
    """A descriptor of a new, empty, locked folder, which is removed when the block ends.

    What a killed worker left is removed first. Raises PortalDiskUnwritable; the block's own OSErrors are raised as it.
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
        raise PortalDiskUnwritable from error


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
