"""Walking the live data, in the sidecar's terms: warnings of what is left out, and failures."""

import os
import stat
from collections.abc import Callable, Generator
from typing import Final

from sidecar.errors import Cancelled, SourceFailed
from trees import walk
from trees.limits import DEPTH_MAX, PATH_BYTES_MAX
from trees.walk import Bounds, Found, LinkIdentity, Places, Reason, link_identity, reason_of
from wire.enums import WarningKind

_ENTRIES_A_CHECK: Final = 1000
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
    """A descriptor of the tree's root. Raises SourceFailed when there is no such folder, or none for us."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SourceFailed(f"the root cannot be opened: {error.strerror}") from error


def tree_bytes(root: int, *, cancelled: Callable[[], bool], places: Places | None = None) -> int:
    """The bytes of file content below an open folder, those of a file with several names once.

    Raises Cancelled and SourceFailed.
    """
    total = 0
    linked: set[LinkIdentity] = set()
    for count, found in enumerate(tree_walk(root, warn=lambda _kind, _path: None, places=places)):
        if count % _ENTRIES_A_CHECK == 0 and cancelled():
            raise Cancelled("packing was cancelled")
        status = found.status
        if not stat.S_ISREG(status.st_mode):
            continue
        shared = link_identity(status)
        if shared is None or shared not in linked:
            total += status.st_size
        if shared is not None:
            linked.add(shared)
    return total


def tree_walk(
    root: int, *, warn: Warn, below: bytes = b"", places: Places | None = None
) -> Generator[Found, None, None]:
    """Every entry below an open folder, as `trees.walk` has it; unreadable ones are warned of.

    Raises SourceFailed for an error that is not about one entry alone.
    """

    def left_out(path: bytes, error: OSError) -> None:
        if path == below:
            raise SourceFailed(f"the root cannot be listed: {error.strerror}") from error
        warn(warning_kind(error), path)

    bounds = Bounds(depth=DEPTH_MAX, path_bytes=PATH_BYTES_MAX)
    return walk.tree_walk(root, found=Found, left_out=left_out, bounds=bounds, below=below, places=places)


def warning_kind(error: OSError) -> WarningKind:
    """What an error at one entry means for it. Raises SourceFailed when the error is not about that entry."""
    kind = _WARNINGS.get(reason_of(error))
    if kind is None:
        raise SourceFailed(f"the data cannot be read: {error.strerror}") from error
    return kind
