"""Mounts for tests, and parts of a data root on volumes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.require import unavailable


def mount(*arguments: str | Path, at: Path) -> None:
    made = subprocess.run(["mount", *arguments, at], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        unavailable("the right to mount")


def unmount(at: Path) -> None:
    subprocess.run(["umount", at], check=True)


@contextmanager
def mounted(*arguments: str | Path, at: Path) -> Iterator[None]:
    mount(*arguments, at=at)
    try:
        yield
    finally:
        unmount(at)


@contextmanager
def remounted(option: str, *, at: Path) -> Iterator[None]:
    """Remount a path with another option, such as `ro`, for the block."""
    subprocess.run(["mount", "-o", f"remount,bind,{option}", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,bind,rw", at], check=True)
