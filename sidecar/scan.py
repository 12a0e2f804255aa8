"""Walks the live data with the sidecar's own warnings and errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Final

from sidecar.errors import SourceFailed
from trees import source, walk
from trees.limits import DEPTH_MAX, PATH_BYTES_MAX
from trees.local.scan import reason
from trees.walk import Bounds, Exclusion, Found, Places, Reason, Rules, reason_of
from wire.enums import WarningKind

DISK_FAULTS_MAX: Final = 1000
"""The most entries of one walk that a failing disk may cost."""

Warn = Callable[[WarningKind, bytes], None]


def root_open(root: str | os.PathLike[str]) -> int:
    """Open the tree's root; return its descriptor. Raises SourceFailed when it is missing or forbidden."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SourceFailed(f"the root cannot be opened: {error.strerror}") from error


def tree_walk(
    root: int,
    *,
    warn: Warn,
    below: bytes = b"",
    places: Places | None = None,
    exclusion: Exclusion[Found] | None = None,
    faults: DiskFaults | None = None,
) -> Generator[Found, None, None]:
    """Yield every entry below an open folder, as `trees.walk` does; warn of unreadable ones.

    Raises SourceFailed for an error that does not concern a single entry. `faults` counts with those of the caller.
    """
    counted = faults or DiskFaults()

    def left_out(path: bytes, error: OSError) -> None:
        if path == below:
            raise SourceFailed(f"the root cannot be listed: {error.strerror}") from error
        warn(counted.kind(error), path)

    bounds = Bounds(depth=DEPTH_MAX, path_bytes=PATH_BYTES_MAX)
    return walk.tree_walk(
        root, found=Found, left_out=left_out, bounds=bounds, below=below, places=places, exclusion=exclusion
    )


def exclusion_of(rules: Rules | None, leave_out: Callable[[Found, int], None]) -> Exclusion[Found]:
    """The patterns of a walk; `leave_out` is called with each entry left out and the number of its pattern."""

    def excluded(path: bytes, name: bytes, folder: int, status: os.stat_result, number: int) -> None:
        leave_out(Found(path, name, folder, status), number)

    return Exclusion(rules, excluded)


class DiskFaults:
    """Counts the entries at which the disk fails: one that fails at very many is no source of a backup."""

    def __init__(self) -> None:
        self._count = 0

    def kind(self, error: OSError) -> WarningKind:
        """As `warning_kind`. Raises SourceFailed for the entry beyond `DISK_FAULTS_MAX`, too."""
        self._count += reason_of(error) is Reason.FAILED
        if self._count > DISK_FAULTS_MAX:
            raise SourceFailed(f"the data cannot be read in many places: {error.strerror}") from error
        return warning_kind(error)


def warning_kind(error: OSError) -> WarningKind:
    """The warning for an error at one entry. Raises SourceFailed when the error does not concern that entry."""
    try:
        return WarningKind(reason(error).value)
    except source.SourceFailed as failed:
        raise SourceFailed(f"the data cannot be read: {failed}") from error
