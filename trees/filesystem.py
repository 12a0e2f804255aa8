"""The system calls by which a restore changes the data volume, one method each."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Mapping

from trees.attributes import attributes_of, missing_suppressed
from trees.fixed import is_frozen
from trees.metadata import Metadata

_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class Filesystem:
    """The Linux calls behind a restore. Names are single components, `at` is the descriptor of their folder.

    No call follows a symlink or overwrites an existing name. All of them raise OSError.
    """

    def __init__(self) -> None:
        self._is_root = os.geteuid() == 0

    def make_folder(self, name: bytes, *, at: int, mode: int) -> None:
        """Make a folder with these permission bits, less the umask."""
        os.mkdir(name, mode, dir_fd=at)

    def make_file(self, name: bytes, *, at: int) -> int:
        """Create an empty file that only its owner may use, and return a descriptor for reading and writing it."""
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)

    def make_symlink(self, target: bytes, name: bytes, *, at: int, metadata: Metadata) -> None:
        """Create a symlink with its own owner and time; its `target` need not exist."""
        os.symlink(target, name, dir_fd=at)
        if self._is_root:
            os.chown(name, metadata.uid, metadata.gid, dir_fd=at, follow_symlinks=False)
        os.utime(name, ns=(metadata.mtime_ns, metadata.mtime_ns), dir_fd=at, follow_symlinks=False)

    def make_link(self, source: bytes, *, source_at: int, name: bytes, at: int) -> None:
        """Give an inode one more name."""
        os.link(source, name, src_dir_fd=source_at, dst_dir_fd=at, follow_symlinks=False)

    def write(self, fd: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data` at the descriptor's position."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def write_at(self, fd: int, data: bytes, offset: int) -> None:
        """Overwrite a reserved range and sync it to the disk before returning."""
        if os.pwrite(fd, data, offset) != len(data):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        os.fsync(fd)

    def reserve(self, fd: int, size: int) -> None:
        """Give a file `size` bytes with their disk space allocated."""
        os.posix_fallocate(fd, 0, size)

    def set_size(self, fd: int, size: int) -> None:
        """Set a file's size to `size` bytes; a longer file is cut, a shorter one ends in a hole."""
        os.ftruncate(fd, size)

    def set_metadata(self, fd: int, metadata: Metadata, *, live: os.stat_result | None = None) -> None:
        """Set owner (as root only), permission bits and time of an open file or folder; the order keeps all three.

        Values that are right already are not set: the caller may lack the permission. The time of a folder is not set
        if another user owns it (it changes with every name in it), or if it is immutable or append-only.
        `live` is the status that the file or folder has, if it is known.
        """
        had = live or os.fstat(fd)
        if self._is_root and (had.st_uid, had.st_gid) != (metadata.uid, metadata.gid):
            os.fchown(fd, metadata.uid, metadata.gid)
            had = os.fstat(fd)  # chown clears setuid and setgid
        if stat.S_IMODE(had.st_mode) != metadata.mode:
            os.fchmod(fd, metadata.mode)
        if had.st_mtime_ns != metadata.mtime_ns and not (stat.S_ISDIR(had.st_mode) and self._is_left(fd, had)):
            os.utime(fd, ns=(metadata.mtime_ns, metadata.mtime_ns))

    def set_attributes(self, fd: int, attributes: Mapping[bytes, bytes]) -> None:
        """Make these the `user.*` attributes of an open file or folder. A file system that has none gets none."""
        had = attributes_of(fd)
        try:
            for name in had.keys() - attributes.keys():
                with missing_suppressed():
                    os.removexattr(fd, name)
            for name, value in attributes.items():
                if had.get(name) != value:
                    os.setxattr(fd, name, value)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def _is_left(self, fd: int, folder: os.stat_result) -> bool:
        """Whether an open folder keeps the time that it has."""
        return (folder.st_uid != os.geteuid() and not self._is_root) or is_frozen(fd)

    def set_mode(self, fd: int, mode: int) -> None:
        """Set all twelve mode bits of an open file or folder if they differ."""
        if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
            os.fchmod(fd, mode)

    def set_owner(self, name: bytes, *, at: int, uid: int, gid: int) -> None:
        """Set the owner of a name, as root only."""
        if self._is_root:
            os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)

    def move(self, name: bytes, *, at: int, to: bytes, to_at: int) -> None:
        """Rename without replacing. File systems without RENAME_NOREPLACE replace a name created a moment ago."""
        if not _renameat2(at, name, to_at, to, _RENAME_NOREPLACE):
            os.rename(name, to, src_dir_fd=at, dst_dir_fd=to_at)

    def exchange(self, name: bytes, *, at: int, other: bytes, other_at: int) -> bool:
        """Swap two names of any kind in one step; False when this file system cannot, or cannot swap these two."""
        try:
            return _renameat2(at, name, other_at, other, _RENAME_EXCHANGE)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False

    def remove_file(self, name: bytes, *, at: int) -> None:
        """Remove a name that is not a folder."""
        os.unlink(name, dir_fd=at)

    def remove_folder(self, name: bytes, *, at: int) -> None:
        """Remove an empty folder."""
        os.rmdir(name, dir_fd=at)

    def sync(self, fd: int) -> None:
        """Sync one file or folder to the disk."""
        os.fsync(fd)

    def sync_volume(self, fd: int) -> None:
        """Sync the whole volume that holds `fd`: one call instead of one for each staged file."""
        if not hasattr(_LIBC, "syncfs"):
            os.sync()
        elif _LIBC.syncfs(fd) != 0:
            raise _last_error()


def _renameat2(at: int, name: bytes, to_at: int, to: bytes, flags: int) -> bool:
    """renameat2(2); False when the C library, the kernel or the file system does not support the flags."""
    if not hasattr(_LIBC, "renameat2"):
        return False
    if _LIBC.renameat2(at, name, to_at, to, flags) == 0:
        return True
    error = _last_error()
    if error.errno in _UNSUPPORTED:
        return False
    raise error


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
