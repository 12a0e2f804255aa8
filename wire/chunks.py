"""The chunks that both ends of a restore keep, for contents that are runs in them. Part of the contract of the wire.

A chunk is sent once, and files are told as runs of bytes in it. The receiver keeps the chunks that were used last, and
the sender knows which ones these are, because both keep the same table: a chunk is used when it comes, and with each
run in it. A chunk that was dropped is sent again, under another number.
"""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

T = TypeVar("T")

CHUNK_BYTES_MAX: Final = 8 << 20
"""The size of the largest chunk."""

CHUNKS_KEPT_BYTES: Final = 16 << 20
"""The chunks that were used last are kept, up to this size together."""


class KeptChunks(Generic[T]):
    """The chunks that were used last, by their numbers, which count from 1; with a value for each."""

    def __init__(self) -> None:
        self._chunks: OrderedDict[int, tuple[T, int]] = OrderedDict()
        self._bytes = 0
        self._count = 0

    def add(self, value: T, *, size: int) -> tuple[int, list[T]]:
        """Add a chunk of `size` bytes. Returns its number, and the values of those that are dropped for it."""
        self._count += 1
        self._chunks[self._count] = value, size
        self._bytes += size
        dropped = []
        while self._bytes > CHUNKS_KEPT_BYTES:
            _, (other, other_size) = self._chunks.popitem(last=False)
            self._bytes -= other_size
            dropped.append(other)
        return self._count, dropped

    def use(self, number: int) -> T:
        """The value of a chunk, which counts as used now. Raises KeyError if it is not kept."""
        self._chunks.move_to_end(number)
        return self._chunks[number][0]
