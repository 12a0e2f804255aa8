"""The user of the game and its sidecar: an ordinary one if the run is root's, so that files can be another user's."""

from __future__ import annotations

# Import as root: the other user may have no access to this Python's folder.
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
    """Become the ordinary user permanently."""
    if IS_ROOT:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)


@contextmanager
def as_user() -> Iterator[None]:
    """Take the ordinary user's rights for the block; files made in it belong to that user."""
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
    """Give root's files to the ordinary user."""
    if IS_ROOT:
        for path in paths:
            os.chown(path, USER, USER)


def rights(status: os.stat_result) -> int:
    """The ordinary user's permissions: `os.R_OK`, `os.W_OK` and `os.X_OK`."""
    mode = stat.S_IMODE(status.st_mode)
    return (mode >> 6 if status.st_uid == USER else mode) & 0o7
