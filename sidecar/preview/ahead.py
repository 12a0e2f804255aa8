"""The entries of a listing in order, with a bounded look-ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from trees.paths import walk_order
from wire.listing import Entry

_ENTRIES_MAX: Final = 10_000


class Ahead:
    """Iterates over the entries. Entries read ahead by `find` keep their turn; their number is bounded."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._rest = iter(entries)
        self._waiting: deque[Entry] = deque()
        self._current: Entry | None = None

    def __iter__(self) -> Iterator[Entry]:
        while entry := self._waiting.popleft() if self._waiting else next(self._rest, None):
            self._current = entry
            yield entry

    def find(self, path: bytes) -> Entry | None:
        """The current or a later entry with this path; None when there is none, or when it is too far ahead."""
        if self._current is not None and self._current.path == path:
            return self._current
        order = walk_order(path)
        while not self._waiting or walk_order(self._waiting[-1].path) < order:
            entry = next(self._rest, None) if len(self._waiting) < _ENTRIES_MAX else None
            if entry is None:
                return None
            self._waiting.append(entry)
        return next((entry for entry in self._waiting if entry.path == path), None)
