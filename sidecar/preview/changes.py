"""The changes that a restore would make: all are counted, and one page of them is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trees.paths import walk_order
from wire.enums import ChangeKind

PATHS_MAX: Final = 1000
# Names can be long: those of one reply stay well below the limit of a message.
_PATHS_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One path, and the bytes of content that would be written or removed there."""

    kind: ChangeKind
    path: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Preview:
    """Numbers of paths that would be added, changed and removed, the bytes to be written, and some changes by name.

    `stays`: paths that a restore would leave as they are, though the archive differs there. `more`: there are
    changes after the last one named.
    """

    added: int
    changed: int
    removed: int
    bytes: int
    changes: tuple[Change, ...]
    more: bool
    stays: int = 0


@dataclass(frozen=True, slots=True)
class PathsPage:
    """The page of changes to name: those after a path in the order of the walk, up to a limit."""

    after: bytes
    limit: int


class Changes:
    """Counts changes, given in the order of the walk, and keeps those of one page."""

    def __init__(self, page: PathsPage) -> None:
        self._page = page
        self._after = walk_order(page.after)
        self._room = _PATHS_BYTES
        self._counts = dict.fromkeys(ChangeKind, 0)
        self._bytes = 0
        self._named: list[Change] = []
        self._more = False

    def writes(self, kind: ChangeKind, path: bytes, size: int) -> None:
        """Count a path that is added or changed, with its content."""
        self._bytes += size
        self.add(kind, path, size)

    def add(self, kind: ChangeKind, path: bytes, size: int = 0) -> None:
        """Count a path."""
        self._counts[kind] += 1
        if self._more or walk_order(path) <= self._after:
            return
        self._room -= len(path)
        if len(self._named) == self._page.limit or (self._named and self._room < 0):
            self._more = True
        else:
            self._named.append(Change(kind, path, size))

    def preview(self) -> Preview:
        """The counts and the page."""
        return Preview(
            added=self._counts[ChangeKind.ADDED],
            changed=self._counts[ChangeKind.CHANGED],
            removed=self._counts[ChangeKind.REMOVED],
            bytes=self._bytes,
            changes=tuple(self._named),
            more=self._more,
            stays=self._counts[ChangeKind.STAYS],
        )
