"""One sorted table of chunks, with the same layout in memory and in storage."""

from __future__ import annotations

import heapq
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from repository.chunked.chunks.chunk import ChunkType, Compression, Location
from repository.errors import ObjectDamaged

_COUNT = struct.Struct(">I")
_PACK = struct.Struct(">16sII")
_RECORD = struct.Struct(">32sBBIIII")
_NUMBER = struct.Struct(">I")
ID_SIZE = 32
_NUMBER_AT = 34
_HEAD_SIZE = 8
_NOWHERE = range(0)
_BRIEF = struct.Struct(">32xBxI4xII")


@dataclass(frozen=True, slots=True)
class PackSize:
    """A pack in a table: its id, its bytes in storage, and the number of its chunks in the table."""

    pack: bytes
    size: int
    chunks: int


class Table:
    """Chunks and their places, sorted by id."""

    def __init__(self, packs: Sequence[PackSize], records: bytes) -> None:
        self.packs = packs
        self.records = records
        self._heads: array[int] | None = None

    def __len__(self) -> int:
        return len(self.records) // _RECORD.size

    @classmethod
    def build(cls, entries: Iterable[tuple[bytes, Location]], sizes: dict[bytes, int]) -> Table:
        """The table of these chunks; `sizes` holds exactly the packs that they lie in."""
        numbers = {pack: number for number, pack in enumerate(sizes)}
        counts = dict.fromkeys(sizes, 0)
        records = []
        for chunk, at in entries:
            counts[at.pack] += 1
            place = (at.type, at.compression, numbers[at.pack], at.offset, at.stored_size, at.plain_size)
            records.append(_RECORD.pack(chunk, *place))
        records.sort()
        return cls([PackSize(pack, size, counts[pack]) for pack, size in sizes.items()], b"".join(records))

    @classmethod
    def merge(cls, tables: Sequence[Table], *, without: frozenset[bytes] = frozenset()) -> Table:
        """Merge tables into one; each pack is taken once, those in `without` not at all."""
        packs: dict[bytes, PackSize] = {}
        runs: list[Iterator[bytes]] = []
        for table in tables:
            fresh = {
                number: found
                for number, found in enumerate(table.packs)
                if found.pack not in packs and found.pack not in without
            }
            renumbered = {number: _NUMBER.pack(len(packs) + n) for n, number in enumerate(fresh)}
            packs.update((found.pack, found) for found in fresh.values())
            runs.append(table.renumbered(renumbered))
        # Each run is sorted already; merging keeps one record at a time in memory, not a list of all.
        records = bytearray()
        for record in heapq.merge(*runs):
            records += record
        return cls(list(packs.values()), bytes(records))

    def renumbered(self, numbers: dict[int, bytes]) -> Iterator[bytes]:
        """The records of some packs, with new numbers for these packs."""
        records = self.records
        for at in range(0, len(records), _RECORD.size):
            record = records[at : at + _RECORD.size]
            number = numbers.get(_NUMBER.unpack_from(record, _NUMBER_AT)[0])
            if number is not None:
                yield record[:_NUMBER_AT] + number + record[_NUMBER_AT + _NUMBER.size :]

    def find(self, chunk: bytes) -> Iterator[Location]:
        """Every place of a chunk."""
        return (self._location(position * _RECORD.size)[1] for position in self.positions(chunk))

    def positions(self, chunk: bytes) -> range:
        """The positions in the table, from 0, of a chunk's records."""
        heads = self._heads = self._heads or _heads(self.records)
        head = int.from_bytes(chunk[:_HEAD_SIZE], "big")
        first = bisect_left(heads, head)
        if first == len(heads) or heads[first] != head:
            return _NOWHERE
        records, size = self.records, _RECORD.size
        # Ids with the same first 8 bytes are adjacent; there are hardly ever two.
        while first < len(heads) and records[first * size : first * size + ID_SIZE] < chunk:
            first += 1
        last = first
        while records[last * size : last * size + ID_SIZE] == chunk:
            last += 1
        return range(first, last)

    def at(self, position: int) -> tuple[bytes, Location]:
        """The chunk and place of the record at that position."""
        return self._location(position * _RECORD.size)

    def brief(self) -> Iterator[tuple[int, int, int, int]]:
        """For each record its type, the number of its pack in `packs`, its stored size and its plain size."""
        return _BRIEF.iter_unpack(self.records)

    def __iter__(self) -> Iterator[tuple[bytes, Location]]:
        return (self._location(at) for at in range(0, len(self.records), _RECORD.size))

    def encoded(self) -> bytes:
        """The plain bytes of an index object."""
        packs = b"".join(_PACK.pack(found.pack, found.size, found.chunks) for found in self.packs)
        return _COUNT.pack(len(self.packs)) + packs + self.records

    @classmethod
    def decode(cls, plain: bytes) -> Table:
        """Decode the plain bytes of an index object; raises `ObjectDamaged`."""
        try:
            (count,) = _COUNT.unpack_from(plain)
            begin = _COUNT.size + count * _PACK.size
            packs = [PackSize(*found) for found in _PACK.iter_unpack(plain[_COUNT.size : begin])]
        except struct.error:
            raise ObjectDamaged("an index object has invalid content") from None
        records = plain[begin:]
        if len(packs) != count or len(records) != _RECORD.size * sum(found.chunks for found in packs):
            raise ObjectDamaged("an index object has invalid content")
        return cls(packs, records)

    def _location(self, at: int) -> tuple[bytes, Location]:
        chunk, type_, compression, number, offset, stored, plain = _RECORD.unpack_from(self.records, at)
        try:
            pack = self.packs[number].pack
            return chunk, Location(pack, offset, stored, plain, ChunkType(type_), Compression(compression))
        except (IndexError, ValueError):
            raise ObjectDamaged("an index object has invalid content") from None


def _heads(records: bytes) -> array[int]:
    """The first 8 bytes of all ids as numbers: 8 bytes each, searched without creating an object for any record."""
    raw = bytearray(len(records) // _RECORD.size * _HEAD_SIZE)
    for place in range(_HEAD_SIZE):
        source = _HEAD_SIZE - 1 - place if sys.byteorder == "little" else place
        raw[place::_HEAD_SIZE] = records[source :: _RECORD.size]
    heads = array("Q")
    heads.frombytes(raw)
    return heads
