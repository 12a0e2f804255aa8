"""An ext4 of a test's own: no other process takes an inode number there that the test has freed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.require import unavailable

TRIES = 1000


def ext4_mount(at: Path, *, mebibytes: int) -> bool:
    """Mount an empty, sparse ext4 on a folder; returns whether that is allowed here."""
    image = at.with_name(f"{at.name}.image")
    try:
        with image.open("wb") as file:
            file.truncate(mebibytes << 20)
        commands = (["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, at])
        return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands)
    finally:
        image.unlink()


def unmount(at: Path) -> None:
    """Unmount at once, or as soon as its last open file is closed."""
    subprocess.run(["umount", "--lazy", at], check=True)


@contextmanager
def ext4_mounted(folder: Path, *, mebibytes: int) -> Iterator[None]:
    """Mount an empty ext4 over an empty folder for the block; its mode becomes the folder's."""
    mode = folder.stat().st_mode & 0o7777
    if not ext4_mount(folder, mebibytes=mebibytes):
        unavailable("the right to mount an ext4")
    try:
        folder.chmod(mode)
        (folder / "lost+found").rmdir()
        yield
    finally:
        unmount(folder)


def inode_take(inode: int, folder: Path, data: bytes) -> Path:
    """Create a file with these bytes that reuses a freed inode number of the test's own volume."""
    made: list[Path] = []
    try:
        for number in range(TRIES):
            file = folder / f"taking-{number}"
            file.write_bytes(data)
            if file.stat().st_ino == inode:
                return file
            made.append(file)
    finally:
        for other in made:
            other.unlink()
    raise AssertionError(f"inode {inode} was not handed out again")
