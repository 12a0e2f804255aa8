"""Paths below a root: bytes, relative, without a slash at either end; the root's own is empty."""

from typing import Final

RESERVED_FOLDER: Final = b".savepoint"
"""The working folder of restores directly below a root: no backup includes it, and no call reaches it."""


def walk_order(path: bytes) -> bytes:
    """The sort key of paths in the order of a walk: component by component, so that `a/b` comes before `a-b`."""
    # No name contains a NUL, and nothing sorts before it.
    return path.replace(b"/", b"\0")


def is_reserved(path: bytes) -> bool:
    """Whether a path is the reserved folder's, or lies in it."""
    return path == RESERVED_FOLDER or path.startswith(RESERVED_FOLDER + b"/")
