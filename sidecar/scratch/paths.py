"""Virtual paths: the targets of `/data` and `/tmp` on the wire; no other path can be named.

No component may be a symbolic link, so that a user who can write to the data root cannot lead a call out of it, not
even by a change between two steps.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sidecar.errors import Refused, SourceFailed
from trees.beneath import open_beneath
from trees.paths import RESERVED_FOLDER

DATA: Final = "/data"
SCRATCH: Final = "/tmp"  # noqa: S108 - a name on the wire, not this machine's folder

# The errors of open for a symbolic link, with O_NOFOLLOW alone and with O_DIRECTORY.
_LINKS: Final = frozenset({errno.ELOOP, errno.ENOTDIR})
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# O_NONBLOCK: opening a FIFO must not wait for its writer.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_NAME_BYTES: Final = 255


def scratch_name(path: str) -> str:
    """The name of a scratch file; scratch has no folders. Raises `Refused` for any other path."""
    root, names = _split(path)
    if root != SCRATCH or len(names) != 1:
        raise Refused("The path does not name a scratch file.")
    return names[0]


def is_scratch(path: str) -> bool:
    """Whether the path lies in scratch. Raises `Refused` for a path in neither root."""
    return _split(path)[0] == SCRATCH


def require_data_root(path: str) -> None:
    """Raise `Refused` unless the path names the data root."""
    if _split(path) != (DATA, ()):
        raise Refused("The path does not name the data root.")


@contextmanager
def data_folder(path: str, *, root: Path) -> Iterator[int]:
    """Open the data root or a folder in it. Raises `Refused`, and `SourceFailed` when it does not exist."""
    kind, names = _split(path)
    if kind != DATA:
        raise Refused("The path does not name a folder of the data.")
    folder = _open(root, names, _FOLDER)
    try:
        yield folder
    finally:
        os.close(folder)


def folder_path(descriptor: int) -> Path:
    """A path that leads to the open folder itself, even after a rename."""
    return Path(f"/proc/self/fd/{descriptor}")


def file_open(path: str, *, root: Path, scratch: Path) -> int:
    """Open a regular file in the data or in scratch for reading, and return a descriptor, which the caller closes.

    Raises `Refused`, and `SourceFailed` when it does not exist.
    """
    kind, names = _split(path)
    if kind == SCRATCH:
        names = (scratch_name(path),)
    if not names:
        raise Refused("The path does not name a file.")
    descriptor = _open(root if kind == DATA else scratch, names, _FILE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("The path does not name a regular file.")
    return descriptor


def _split(path: str) -> tuple[str, tuple[str, ...]]:
    """The virtual root and the names below it."""
    start, *names = path.removeprefix("/").split("/")
    kind = f"/{start}"
    if not path.startswith("/") or kind not in (DATA, SCRATCH):
        raise Refused("The path is neither in the data nor in scratch.")
    if any(not _is_plain(name) for name in names):
        raise Refused("The path has a part that is not a plain name.")
    if kind == DATA and names[:1] == [RESERVED_FOLDER.decode()]:
        raise Refused("The path lies in the reserved folder.")
    return kind, tuple(names)


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..") and "\0" not in name and len(name.encode()) <= _NAME_BYTES


def _open(root: Path, names: tuple[str, ...], flags: int) -> int:
    try:
        folder = os.open(root, _FOLDER)
        try:
            return open_beneath(os.fsencode("/".join(names)) or b".", folder, flags)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno in _LINKS:
            raise Refused("The path leads through a link or a file.") from error
        if error.errno == errno.ENOENT:
            raise SourceFailed("There is no such file or folder.") from error
        raise SourceFailed(f"The path cannot be opened: {os.strerror(error.errno or 0)}.") from error
