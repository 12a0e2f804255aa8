"""Builds the content of a part: adjacent extents are merged, and each chunk is named once."""

from __future__ import annotations

from repository.chunked.manifest.records import HOLE, Content


class ExtentList:
    """The extents of a part, in order."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._numbers: dict[bytes, int] = {}
        self._flat: list[int] = []

    def add(self, length: int, chunk: bytes, offset: int) -> None:
        """Append `length` bytes from an offset of a chunk."""
        number = self._numbers.get(chunk)
        if number is None:
            number = self._numbers[chunk] = len(self._numbers)
            self._ids += chunk
        flat = self._flat
        if flat and flat[-2] == number and flat[-1] + flat[-3] == offset:
            flat[-3] += length
        else:
            flat += (length, number, offset)

    def add_hole(self, length: int) -> None:
        """Append `length` bytes that read as zeros."""
        flat = self._flat
        if flat and flat[-2] == HOLE:
            flat[-3] += length
        elif length:
            flat += (length, HOLE, 0)

    def content(self, blocks: bytes) -> Content:
        """Return the content with the hashes of its blocks, without the hash of the whole file."""
        return Content(bytes(self._ids), tuple(self._flat), blocks, None)
