"""Paths below a root: bytes, relative, without a slash at either end; the root's own is empty."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")

RESERVED_FOLDER: Final = b".savepoint"
"""The working folder of restores directly below a root: no backup includes it, and no call reaches it."""


def walk_order(path: bytes) -> bytes:
    """The sort key of paths in the order of a walk: component by component, so that `a/b` comes before `a-b`."""
    # No name contains a NUL, and nothing sorts before it.
    return path.replace(b"/", b"\0")


def is_reserved(path: bytes) -> bool:
    """Whether a path is the reserved folder's, or lies in it."""
    return path == RESERVED_FOLDER or path.startswith(RESERVED_FOLDER + b"/")


def folders_above(path: bytes) -> list[bytes]:
    """The folders above a path, the root first."""
    steps = path.split(b"/")
    return [b"/".join(steps[:count]) for count in range(len(steps))] if path else []


def paths_apart(paths: Sequence[bytes]) -> list[bytes]:
    """The paths in the order of a walk, without those below another one."""
    found: list[bytes] = []
    for path in sorted(set(paths), key=walk_order):
        if not found or not path.startswith(found[-1] + b"/"):
            found.append(path)
    return found


def walks_joined(
    left: Iterable[Left],
    right: Iterable[Right],
    *,
    left_path: Callable[[Left], bytes],
    right_path: Callable[[Right], bytes],
) -> Iterator[tuple[Left | None, Right | None]]:
    """Join two walks of the same order: yield steps with equal paths together, a step without a partner with None.

    Only one step of each walk is held; the next is requested when the caller has finished with it.
    """
    steps, others = iter(left), iter(right)
    one, other = next(steps, None), next(others, None)
    while one is not None or other is not None:
        key = None if one is None else walk_order(left_path(one))
        other_key = None if other is None else walk_order(right_path(other))
        takes_one = other_key is None or (key is not None and key <= other_key)
        takes_other = key is None or (other_key is not None and other_key <= key)
        yield one if takes_one else None, other if takes_other else None
        if takes_one:
            one = next(steps, None)
        if takes_other:
            other = next(others, None)
