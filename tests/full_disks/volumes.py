"""Small volumes of a test's own that can be filled up or mounted read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.require import program_require, unavailable

BALLAST = "ballast"


@contextmanager
def small_volume(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A volume of that size, mounted on `folder`."""
    mount, umount = (program_require(name, package="mount") for name in ("mount", "umount"))
    folder.mkdir(parents=True)
    command = [mount, "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "none", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        unavailable("the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run([umount, "--lazy", folder], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make the volume read-only for the block; no file on it may be open for writing at the start."""
    mount = program_require("mount", package="mount")
    subprocess.run([mount, "-o", "remount,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run([mount, "-o", "remount,rw", folder], check=True)


def fill(folder: Path, *, leave: int = 0) -> None:
    """Use all the space except for that many bytes."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with (folder / BALLAST).open("ab", buffering=0) as file, suppress(OSError):
        os.posix_fallocate(file.fileno(), file.tell(), free - leave)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
