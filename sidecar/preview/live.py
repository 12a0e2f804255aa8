"""Walks the live tree for a preview, including paths that cannot be examined."""

from __future__ import annotations

import stat
from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple

from sidecar.places.places import Places
from sidecar.scan import tree_walk
from trees.walk import Found
from wire.enums import WarningKind


class Live(NamedTuple):
    """A live path; `found` is None for a path that exists but cannot be examined."""

    path: bytes
    found: Found | None

    @property
    def is_folder(self) -> bool:
        """Whether it is known to be a folder."""
        return self.found is not None and stat.S_ISDIR(self.found.status.st_mode)


def live_paths(root: int, places: Places) -> Generator[Live, None, None]:
    """Yield every live path in the order of the walk; each is valid until the next iteration."""
    unseen: list[Live] = []

    def warn(kind: WarningKind, path: bytes) -> None:
        if kind is WarningKind.UNREADABLE:
            unseen.append(Live(path, None))

    with closing(tree_walk(root, warn=warn, places=places)) as walk:
        for found in walk:
            yield from unseen
            unseen.clear()
            yield Live(found.path, found)
    yield from unseen
