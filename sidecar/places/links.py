"""Follows symbolic links to folders below a few roots, which the operator names.

The game's owner can make any link in the data root, so a link only gives a name. The folder is opened below its root
without following any further link: nothing outside the roots is reachable, even if names are swapped meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from trees.beneath import Tree
from trees.folders import link_end

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LinkTarget(NamedTuple):
    """The folder that a link leads to: a readable descriptor, which the caller closes, and its absolute path."""

    fd: int
    path: bytes


class LinkRoots:
    """The roots; without any, no link is followed."""

    def __init__(self, roots: Iterable[Path] = ()) -> None:
        self._roots = [os.fsencode(root) for root in roots]

    def __bool__(self) -> bool:
        return bool(self._roots)

    def follow(self, name: bytes, *, at: int) -> LinkTarget | None:
        """Open the folder that a link in an open folder leads to, None when it does not lead to one below a root."""
        if not self._roots:
            return None
        end = link_end(name, at)
        return self.open(end) if end else None

    def open(self, path: bytes) -> LinkTarget | None:
        """Open a folder at or below one of the roots by its absolute path, None when there is none."""
        for root in self._roots:
            below = path[len(root) + 1 :]
            if path != root and (not path.startswith(root + b"/") or not _is_plain(below)):
                continue
            with contextlib.suppress(OSError):
                return LinkTarget(_open_below(root, below), path)
        return None


def _is_plain(path: bytes) -> bool:
    return not any(name in (b"", b".", b"..") for name in path.split(b"/"))


def _open_below(root: bytes, path: bytes) -> int:
    root_fd = os.open(root, _FOLDER)
    try:
        with contextlib.closing(Tree(root_fd)) as tree:
            return tree.open_folder(path)
    finally:
        os.close(root_fd)
