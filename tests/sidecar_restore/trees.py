"""Trees to restore onto, and snapshots of all that a restore promises of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def snapshot(top: Path, *, without: tuple[str, ...] = ()) -> dict[bytes, tuple[object, ...]]:
    """Kind, mode, owner, time, content and links of every entry below `top`, except folders in `without` (relative)."""
    skipped = {os.fsencode(name) for name in without}
    found: dict[bytes, tuple[object, ...]] = {}
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        fd = _open_folder(top, folder)
        try:
            for name in map(os.fsencode, os.listdir(fd)):  # noqa: PTH208 - by descriptor
                path = folder + b"/" + name if folder else name
                if path in skipped:
                    continue
                found[path] = _described(name, fd)
                if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                    waiting.append(path)
        finally:
            os.close(fd)
    return found


def live(root: Path) -> dict[bytes, tuple[object, ...]]:
    """The data root's tree as the game sees it."""
    return snapshot(root, without=(".savepoint",))


def _open_folder(top: Path, path: bytes) -> int:
    """Open a folder component by component, as a path may be too long for one call."""
    fd = os.open(top, os.O_RDONLY)
    for part in path.split(b"/") if path else ():
        deeper = os.open(part, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
        os.close(fd)
        fd = deeper
    return fd


def _described(name: bytes, at: int) -> tuple[object, ...]:
    status = os.stat(name, dir_fd=at, follow_symlinks=False)
    content: object = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(name, dir_fd=at)
    elif stat.S_ISREG(status.st_mode):
        fd = os.open(name, os.O_RDONLY, dir_fd=at)
        with os.fdopen(fd, "rb") as file:
            content = (file.read(), status.st_nlink)
    return status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content


def write(path: Path, content: bytes = b"", *, mode: int = 0o644, mtime_ns: int = 1_600_000_000_123_456_789) -> Path:
    """Write a file with parents, mode and time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def settle(top: Path) -> None:
    """Give every folder below `top` a time of its own, deepest first."""
    for number, (folder, _, _) in enumerate(os.walk(top, topdown=False)):
        at = 1_500_000_000_000_000_001 + number * 1_000_000_007
        os.utime(folder, ns=(at, at))
