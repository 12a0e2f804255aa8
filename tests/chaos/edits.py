"""Changes to a tree as a game, a customer or an administrator makes them."""

# Names are bytes here, which pathlib does not take:
# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH112, PTH113, PTH114, PTH116, PTH123, PTH211

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

from tests.chaos.mounts import mount_points
from tests.chaos.trees import paths_of
from tests.chaos.user import IS_ROOT, as_user

NAMES = [
    b"level.dat", b"server.properties", b"region", b"plugins", b"r.0.0.mca", b"-rf", b"a b", b"line\nbreak",
    b"not \xff UTF-8", "caf\u00e9".encode(), "cafe\u0301".encode(), "\u202egpj.exe".encode(), b"%41", b"\\", b"'\"",
    b"n" * 255, b" ", b"...", b"\x01",
]  # fmt: skip
"""Names of files; some of them hold the canary of I8."""
REFUSALS = frozenset({errno.EACCES, errno.EPERM, errno.EXDEV, errno.EBUSY, errno.ENOSPC})
"""The errors for entries that are immutable, mounted or another user's, and for a full small volume."""


def tree_edit(root: Path, rng: Random) -> str:
    """Make one change as a game or a customer would; returns its description."""
    top = os.fsencode(root)
    paths = paths_of(root)
    folders = [top, *(path for path in paths if os.path.isdir(path) and not os.path.islink(path))]
    files = [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]
    what = rng.choice([*ON_NEW, *ON_FILES, *ON_FILES, "delete", "rename"])
    new = rng.choice(folders) + b"/" + rng.choice(NAMES)
    path = rng.choice(paths or [b""])
    if os.path.lexists(new) or len(new) - len(top) > 2000:
        return "nothing"
    if what in ON_FILES and files:
        path = rng.choice(files)
        change = partial(ON_FILES[what], path, rng)
    elif what in ON_NEW:
        path = new
        change = partial(ON_NEW[what], new, rng.choice(files or [b""]), rng)
    elif what == "rename" and path and not new.startswith(path + b"/"):
        change = partial(os.rename, path, new)
    elif what == "delete" and path:
        change = partial(_remove, path)
    else:
        return "nothing"
    return f"{what} {path[len(top) + 1 :][-40:]!r}{_refusal(change)}"


def _refusal(change: Callable[[], object]) -> str:
    """Make a change as the user; returns the system's error in words, if any."""
    try:
        with as_user():
            change()
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        return f" was refused ({error.strerror})"
    return ""


def inode_pass_on(root: Path) -> bool:
    """Remove a file with several names, and replace another file by a new one; returns whether it reuses the inode."""
    volume, mounted = os.lstat(root).st_dev, mount_points(root)
    files = {path: status for path, status in _statuses(root) if stat.S_ISREG(status.st_mode) and path not in mounted}
    files = {path: status for path, status in files.items() if status.st_dev == volume}
    linked = [path for path, status in files.items() if status.st_nlink > 1]
    others = [path for path, status in files.items() if status.st_nlink == 1]
    if not linked or not others:
        return False
    number = files[linked[0]].st_ino
    try:
        for path in linked:
            if files[path].st_ino == number:
                os.unlink(path)
        fresh = others[-1] + b"~"
        with open(fresh, "xb") as file:
            file.write(b"new bytes under an old number")
            passed = os.fstat(file.fileno()).st_ino == number
        os.rename(fresh, others[-1])
    except PermissionError:
        return False
    return passed


def _close(name: bytes, folder: int | None) -> bool:
    if not IS_ROOT:
        return False  # its user would be root, who can still read it
    os.chmod(name, 0, dir_fd=folder)
    return True


def _grow(name: bytes, folder: int | None) -> bool:
    return _written(name, folder, lambda file, _size: os.write(file, b"some more"))


def _shrink(name: bytes, folder: int | None) -> bool:
    return _written(name, folder, lambda file, size: os.truncate(file, size // 2))


def _vanish(name: bytes, folder: int | None) -> bool:
    os.unlink(name, dir_fd=folder)
    return True


def _written(name: bytes, folder: int | None, change: Callable[[int, int], object]) -> bool:
    file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, dir_fd=folder)
    try:
        size = os.fstat(file).st_size
        change(file, size)
        return os.fstat(file).st_size != size
    finally:
        os.close(file)


def _allowed(touch: Callable[[bytes, int | None], bool]) -> Callable[[bytes, int | None], bool]:
    def touched(name: bytes, folder: int | None) -> bool:
        try:
            return touch(name, folder)
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            return False

    return touched


TOUCHES = {
    "closed": _allowed(_close), "grown": _allowed(_grow), "shrunk": _allowed(_shrink), "vanished": _allowed(_vanish),
}  # fmt: skip
"""Changes of one's own file, by name and folder, at the moment when it is read; each returns whether it took effect."""


def _statuses(root: Path) -> Iterator[tuple[bytes, os.stat_result]]:
    """Each path below a folder with its status, except paths that this user cannot reach."""
    for path in paths_of(root):
        with suppress(PermissionError):
            yield path, os.lstat(path)


def _write(path: bytes, _file: bytes, rng: Random) -> None:
    with open(path, "wb") as file:
        file.write(rng.randbytes(rng.choice([0, 1, 100, 4096, 70_000])))


def _append(path: bytes, rng: Random) -> None:
    with open(path, "ab") as file:
        file.write(rng.randbytes(10))


def _same_size(path: bytes, rng: Random) -> None:
    """Write other bytes of the same size, now and then with the same mtime: only ctime reveals it."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(rng.randbytes(before.st_size))
    if rng.random() < 0.5:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _attribute(path: bytes, rng: Random) -> None:
    name = rng.choice(["user.note", "user.\u00e9"])
    if rng.random() < 0.3 and name in os.listxattr(path):
        os.removexattr(path, name)
    else:
        os.setxattr(path, name, rng.randbytes(rng.choice([0, 1, 300])))


def _sparse(path: bytes, _file: bytes, rng: Random) -> None:
    with open(path, "wb") as file:
        file.truncate(rng.choice([3 << 20, (5 << 20) + 17]))
        file.seek(rng.choice([0, 1 << 20, (2 << 20) + 100]))
        file.write(rng.randbytes(100))


def _mode(path: bytes, rng: Random) -> None:
    os.chmod(path, rng.choice([0o600, 0o644, 0o755]))


def _swap_kind(path: bytes, _rng: Random) -> None:
    os.unlink(path)
    os.mkdir(path)


def _link(path: bytes, file: bytes, _rng: Random) -> None:
    if file:
        os.link(file, path)


def _symlink(path: bytes, _file: bytes, _rng: Random) -> None:
    os.symlink(b"../outside", path)


def _folder(path: bytes, _file: bytes, _rng: Random) -> None:
    os.mkdir(path)


def _special(path: bytes, _file: bytes, rng: Random) -> None:
    os.mknod(path, rng.choice([stat.S_IFIFO, stat.S_IFSOCK]) | 0o600)


def _remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


ON_FILES: dict[str, Callable[[bytes, Random], None]] = {
    "append": _append, "same size": _same_size, "mode": _mode, "swap kind": _swap_kind,
    "attribute": _attribute,
}  # fmt: skip
ON_NEW: dict[str, Callable[[bytes, bytes, Random], None]] = {
    "write": _write, "link": _link, "symlink": _symlink, "folder": _folder, "special": _special,
    "sparse": _sparse,
}  # fmt: skip
