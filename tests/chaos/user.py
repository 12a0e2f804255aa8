"""The user that a game and its sidecar run as: an ordinary one where a run is root's, so that files can be others'."""

from __future__ import annotations

# Loaded before the user changes: this Python may lie where that user cannot look.
import encodings.ascii
import encodings.idna  # noqa: F401
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
ROOT = 0
IS_ROOT = os.geteuid() == ROOT
USER = NOBODY if IS_ROOT else os.geteuid()


def user_become() -> None:
    """Be the ordinary user from here on."""
    if IS_ROOT:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)


@contextmanager
def as_user() -> Iterator[None]:
    """Have the rights of the ordinary user for the block: what it makes is its own."""
    if not IS_ROOT:
        yield
        return
    os.setegid(USER)
    os.seteuid(USER)
    try:
        yield
    finally:
        os.seteuid(ROOT)
        os.setegid(ROOT)


def hand_over(*paths: Path) -> None:
    """Give what root has made to the ordinary user."""
    if IS_ROOT:
        for path in paths:
            os.chown(path, USER, USER)


def rights(status: os.stat_result) -> int:
    """The permissions that the ordinary user has: `os.R_OK`, `os.W_OK` and `os.X_OK`."""
    mode = stat.S_IMODE(status.st_mode)
    return (mode >> 6 if status.st_uid == USER else mode) & 0o7
