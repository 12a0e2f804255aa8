"""Works on names in an open folder, and never follows a symbolic link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_HEAD_BYTES = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def fd_closing(fd: int) -> Iterator[int]:
    """Closes a descriptor at the end of the block."""
    try:
        yield fd
    finally:
        os.close(fd)


def status_at(name: bytes, *, at: int) -> os.stat_result | None:
    """The lstat of a name in an open folder, or None when it does not exist or is too long."""
    try:
        return os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return None


def is_folder(name: bytes, *, at: int) -> bool:
    """Whether a name in an open folder is itself a folder, not a symlink to one."""
    status = status_at(name, at=at)
    return status is not None and stat.S_ISDIR(status.st_mode)


def file_head(name: bytes, *, at: int) -> bytes | None:
    """The first bytes of a file in an open folder: None for another kind of entry, empty for an unreadable file."""
    status = status_at(name, at=at)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    except PermissionError:
        return b""
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, _HEAD_BYTES)
    finally:
        os.close(fd)


def folder_scan(fd: int) -> Iterator[bytes]:
    """Yield the names in an open folder one by one, without a list of all.

    Scans of one folder may be nested: each has its own position, which a duplicated descriptor would share.
    """
    own = os.open(b".", _FOLDER, dir_fd=fd)
    try:
        with os.scandir(own) as entries:
            for entry in entries:
                yield os.fsencode(entry.name)
    finally:
        os.close(own)


def folder_open(name: bytes, *, at: int) -> int:
    """Open a folder for reading; if its owner is this user and its mode forbids that, the mode is changed."""
    try:
        return os.open(name, _FOLDER, dir_fd=at)
    except PermissionError:
        held = os.open(name, _PATH, dir_fd=at)
    try:
        Path(f"/proc/self/fd/{held}").chmod(stat.S_IRWXU)  # the folder itself, even if it was renamed
        return os.open(b".", _FOLDER, dir_fd=held)
    finally:
        os.close(held)


def mount_of(fd: int) -> str:
    """The mount id of an open file or folder; a bind mount of the same device has another id."""
    (line,) = (line for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines() if line.startswith("mnt_id"))
    return line


def link_end(name: bytes, folder: int) -> bytes | None:
    """The absolute path that a symbolic link in an open folder leads to, None for a dangling link.

    The kernel resolves the link, so a chain or circle of links ends as for every other program.
    """
    try:
        return _link_end(name, folder)
    except OSError:
        return None


def link_leads_out(name: bytes, folder: int, *, root: bytes) -> bool:
    """Whether a symbolic link in an open folder leads out of the folder at the absolute path `root`.

    The game may see more of its machine than this process does. So a link whose end is missing here, or closed to this
    user, leads where the texts of the links say; one that dangles inside the root does not lead out. A chain of more
    links than the kernel follows leads nowhere.
    """
    try:
        end = _link_end(name, folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        end = os.path.realpath(path_of(folder) + b"/" + name)
    return not (end + b"/").startswith(root.rstrip(b"/") + b"/")


def _link_end(name: bytes, folder: int) -> bytes:
    end = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
    try:
        return path_of(end)
    finally:
        os.close(end)


def path_of(fd: int) -> bytes:
    """The present absolute path of an open file or folder."""
    return os.readlink(b"/proc/self/fd/%d" % fd)  # noqa: PTH115 - bytes
