"""What is known of each of very many paths, in memory of some 8 to 24 bytes a path, however long the paths are."""

from __future__ import annotations

import os
from array import array
from hashlib import blake2b

_NOTE_BITS = 3
_NOTES = (1 << _NOTE_BITS) - 1
_FIRST_CELLS = 1 << 10


class PathTable:
    """Maps a path to a small number from 1 to 7.

    A path is known by 61 bits of a keyed hash: of a million paths two look the same once in four million tables, nobody
    can choose names that do, and the next table has another key. Open addressing, a quarter of the cells stays free.
    """

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._cells = array("Q", bytes(8 * _FIRST_CELLS))
        self._used = 0

    def get(self, path: bytes) -> int:
        """The number of a path, 0 when it has none."""
        return self._cells[self._place(self._hash(path))] & _NOTES

    def set(self, path: bytes, number: int) -> None:
        """Give a path its number, or another."""
        hashed = self._hash(path)
        place = self._place(hashed)
        if not self._cells[place]:
            self._used += 1
        self._cells[place] = hashed | number
        if 4 * self._used > 3 * len(self._cells):
            self._grow()

    def _hash(self, path: bytes) -> int:
        return int.from_bytes(blake2b(path, digest_size=8, key=self._key).digest(), "little") & ~_NOTES

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
