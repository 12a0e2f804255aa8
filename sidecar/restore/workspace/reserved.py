"""The data root and its reserved folder `.savepoint`, with the lock that allows one extraction at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from sidecar.errors import Refused, SourceFailed, cause_of
from trees.filesystem import Filesystem
from trees.folders import folder_scan
from trees.paths import RESERVED_FOLDER
from trees.reserved import ReservedTaken, reserved_make, reserved_open, root_lock

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STILL_USED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST})


def operation_name(operation: str) -> bytes:
    """Given an operation's id, return its folder's name. Raise Refused when it is no UUID in the usual spelling."""
    if not is_usual_uuid(operation):
        raise Refused("the operation is not named by a UUID")
    return operation.encode()


def is_usual_uuid(text: str) -> bool:
    """Whether a text is a UUID in the usual spelling, which is a plain name of a folder."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


@contextlib.contextmanager
def root_opened(root: Path) -> Iterator[int]:
    """Open the data root. Raise SourceFailed when it is missing."""
    try:
        fd = os.open(root, _FOLDER)
    except OSError as error:
        failure = SourceFailed("the data root is missing or is no folder")
        failure.params = cause_of(error, ".")
        raise failure from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def root_locked(root: Path) -> Iterator[int]:
    """Open and lock the data root against any other extraction, in this process or another.

    Raise Refused when another one holds the lock: waiting for it could outlast any caller.
    """
    with root_opened(root) as fd:
        if not root_lock(fd):
            raise Refused("another extraction is running on this data root")
        yield fd


@contextlib.contextmanager
def reserved_opened(root_fd: int) -> Iterator[int | None]:
    """Open the reserved folder; give None when there is none. Raise Refused when its name is taken."""
    try:
        fd = reserved_open(root_fd)
    except FileNotFoundError:
        yield None
        return
    except ReservedTaken as error:
        raise Refused(str(error)) from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def reserved_made(root_fd: int, filesystem: Filesystem) -> Iterator[int]:
    """Open the reserved folder, and make a missing one. Raise Refused when its name is taken."""
    try:
        fd = reserved_make(root_fd, filesystem)
    except FileNotFoundError as error:
        raise Refused("the reserved folder .savepoint was removed") from error
    except ReservedTaken as error:
        raise Refused(str(error)) from error
    try:
        yield fd
    finally:
        os.close(fd)


def reserved_remove(root_fd: int, filesystem: Filesystem) -> None:
    """Remove the reserved folder if it is empty and no extraction is about to use it."""
    if not root_lock(root_fd):
        return
    try:
        filesystem.remove_folder(RESERVED_FOLDER, at=root_fd)
    except OSError as error:
        if error.errno not in _STILL_USED:
            raise


def operations_listed(reserved_fd: int) -> list[str]:
    """The operations that have a folder in the reserved one; other names are skipped."""
    names = []
    for name in folder_scan(reserved_fd):
        with contextlib.suppress(Refused):
            names.append(operation_name(os.fsdecode(name)).decode())
    return sorted(names)
