"""Walks the live data with the sidecar's own warnings and errors."""

import os
from collections.abc import Callable, Generator
from typing import Final

from sidecar.errors import SourceFailed
from trees import walk
from trees.limits import DEPTH_MAX, PATH_BYTES_MAX
from trees.walk import Bounds, Exclusion, Found, Places, Reason, Rules, reason_of
from wire.enums import WarningKind

_WARNINGS: Final = {
    Reason.VANISHED: WarningKind.VANISHED,
    Reason.REPLACED: WarningKind.VANISHED,
    Reason.MOVED: WarningKind.VANISHED,
    Reason.FORBIDDEN: WarningKind.UNREADABLE,
    Reason.TOO_FAR: WarningKind.UNREADABLE,
    Reason.NO_FILE: WarningKind.SKIPPED,
}

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
) -> Generator[Found, None, None]:
    """Yield every entry below an open folder, as `trees.walk` does; warn of unreadable ones.

    Raises SourceFailed for an error that does not concern a single entry.
    """

    def left_out(path: bytes, error: OSError) -> None:
        if path == below:
            raise SourceFailed(f"the root cannot be listed: {error.strerror}") from error
        warn(warning_kind(error), path)

    bounds = Bounds(depth=DEPTH_MAX, path_bytes=PATH_BYTES_MAX)
    return walk.tree_walk(
        root, found=Found, left_out=left_out, bounds=bounds, below=below, places=places, exclusion=exclusion
    )


def exclusion_of(rules: Rules | None, leave_out: Callable[[Found, int], None]) -> Exclusion[Found]:
    """The patterns of a walk; `leave_out` is called with each entry left out and the number of its pattern."""

    def excluded(path: bytes, name: bytes, folder: int, status: os.stat_result, number: int) -> None:
        leave_out(Found(path, name, folder, status), number)

    return Exclusion(rules, excluded)


def warning_kind(error: OSError) -> WarningKind:
    """The warning for an error at one entry. Raises SourceFailed when the error does not concern that entry."""
    kind = _WARNINGS.get(reason_of(error))
    if kind is None:
        raise SourceFailed(f"the data cannot be read: {error.strerror}") from error
    return kind
