"""A small number for each of very many paths: 8 to 24 bytes of memory a path, however long the paths are."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from itertools import chain, repeat
from typing import NamedTuple

_HASH_BYTES = 8
_NOTE_BITS = 3
_NOTES = (1 << _NOTE_BITS) - 1
_FIRST_CELLS = 1 << 10


class Way(NamedTuple):
    """A folder above a path, or the path itself: its last name, its number, and a function that sets the number."""

    name: bytes
    number: int
    set: Callable[[int], None]


class PathTable:
    """Maps a path to a small number from 1 to 7.

    A path is represented by 61 bits of a keyed hash. With a million paths, a collision occurs once in four million
    tables. Nobody can choose names that collide, and each table has a new key. Open addressing; a quarter of the cells
    stays free.
    """

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._cells = array("Q", bytes(8 * _FIRST_CELLS))
        self._used = 0

    def get(self, path: bytes) -> int:
        """The number of a path, 0 for an unknown path."""
        return self._cells[self._place(self._hash(path))] & _NOTES

    def set(self, path: bytes, number: int) -> None:
        """Set or change the number of a path."""
        self._set(self._hash(path), number)

    def ways(self, path: bytes) -> Iterator[Way]:
        """Yield every folder above a path, and the path itself, in time linear in its length."""
        state = blake2b(digest_size=_HASH_BYTES, key=self._key)
        for separator, name in zip(chain([b""], repeat(b"/")), path.split(b"/")):  # noqa: B905 - one is endless
            state.update(separator + name)
            hashed = int.from_bytes(state.digest(), "little") & ~_NOTES
            yield Way(name, self._cells[self._place(hashed)] & _NOTES, partial(self._set, hashed))

    def _set(self, hashed: int, number: int) -> None:
        place = self._place(hashed)
        if not self._cells[place]:
            self._used += 1
        self._cells[place] = hashed | number
        if 4 * self._used > 3 * len(self._cells):
            self._grow()

    def _hash(self, path: bytes) -> int:
        return int.from_bytes(blake2b(path, digest_size=_HASH_BYTES, key=self._key).digest(), "little") & ~_NOTES

    def _place(self, hashed: int) -> int:
        cells, last = self._cells, len(self._cells) - 1
        place = (hashed >> _NOTE_BITS) & last
        while (cell := cells[place]) and cell & ~_NOTES != hashed:
            place = (place + 1) & last
        return place

    def _grow(self) -> None:
        full, self._cells = self._cells, array("Q", bytes(16 * len(self._cells)))
        for cell in full:
            if cell:
                self._cells[self._place(cell & ~_NOTES)] = cell
