"""Which chunks the snapshots use: flags by place in the index, so that a million chunks take a megabyte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from repository.checkpoint import Checkpoint
from repository.chunked.chunks.chunk import Location
from repository.chunked.index.table import Table
from repository.chunked.manifest.records import CHUNK_ID_SIZE, records_unpack
from repository.chunked.manifest.root import Root
from repository.chunked.manifest.stream import READ_AHEAD
from repository.chunked.packs.fetching import ChunkStore, spans_of
from repository.errors import ObjectDamaged

FREE = 0
LIVE = 1
SPARE = 2
"""A used chunk of which another copy is the live one."""


@dataclass(slots=True)
class PackUse:
    """What is used of a pack: its size in storage, how many chunks live, what they take, and what the others take."""

    size: int
    type: int = 0
    live: int = 0
    live_bytes: int = 0
    dead_bytes: int = 0


class UsedChunks:
    """Flags for all chunks of some tables. Of several copies one is live: one that is not known to be damaged, if there
    is one, and of these one in no pack to be avoided.

    `missing` counts how often a chunk was named that no table has, `plain_bytes` the plain bytes of all used chunks.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        *,
        avoided: frozenset[bytes] = frozenset(),
        damaged: AbstractSet[bytes] = frozenset(),
    ) -> None:
        self._tables = tables
        self._avoided = avoided
        self._damaged = damaged
        self._flags = [bytearray(len(table)) for table in tables]
        self.missing = 0
        self.plain_bytes = 0

    def use(self, chunk: bytes) -> bool:
        """Note that a snapshot names the chunk; returns whether it is somewhere and was not noted before."""
        first: tuple[int, int] | None = None
        several = False
        for number, table in enumerate(self._tables):
            for position in table.positions(chunk):
                if self._flags[number][position]:
                    return False
                several = first is not None
                first = first or (number, position)
        if first is None:
            self.missing += 1
            return False
        number, position = self._chosen(chunk) if several else first
        self._flags[number][position] = LIVE
        self.plain_bytes += self._tables[number].at(position)[1].plain_size
        return True

    def live_in(self, chunk: bytes, pack: bytes) -> bool:
        """Whether the live copy of a chunk is the one in that pack."""
        return any(flag == LIVE and at.pack == pack for flag, at in self._copies(chunk))

    def live_place(self, chunk: bytes) -> Location:
        """Where the live copy of a used chunk is."""
        return next(at for flag, at in self._copies(chunk) if flag == LIVE)

    def spares(self, packs: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Each used chunk whose copy in one of these packs is not the live one: its id and that pack."""
        for table, flags in zip(self._tables, self._flags, strict=True):
            position = flags.find(SPARE)
            while position >= 0:
                chunk, at = table.at(position)
                if at.pack in packs:
                    yield chunk, at.pack
                position = flags.find(SPARE, position + 1)

    def packs(self) -> dict[bytes, PackUse]:
        """What is used of each pack that the tables name."""
        found: dict[bytes, PackUse] = {}
        for table, flags in zip(self._tables, self._flags, strict=True):
            # A pack that two tables name has its live chunks in the first of them.
            fresh = [None if size.pack in found else PackUse(size.size) for size in table.packs]
            found.update((size.pack, use) for size, use in zip(table.packs, fresh, strict=True) if use is not None)
            for (type_, number, stored), flag in zip(table.brief(), flags, strict=True):
                use = fresh[number]
                if use is None:
                    continue
                use.type = type_
                if flag == LIVE:
                    use.live += 1
                    use.live_bytes += stored
                else:
                    use.dead_bytes += stored
        return found

    def _copies(self, chunk: bytes) -> Iterator[tuple[int, Location]]:
        for number, table in enumerate(self._tables):
            for position in table.positions(chunk):
                yield self._flags[number][position], table.at(position)[1]

    def _chosen(self, chunk: bytes) -> tuple[int, int]:
        """The copy to live; the others become spare."""
        places = [
            (number, position) for number, table in enumerate(self._tables) for position in table.positions(chunk)
        ]
        for number, position in places:
            self._flags[number][position] = SPARE
        return min(places, key=lambda place: self._doubts(chunk, self._tables[place[0]].at(place[1])[1].pack))

    def _doubts(self, chunk: bytes, pack: bytes) -> tuple[bool, bool]:
        return pack + chunk in self._damaged, pack in self._avoided


def snapshot_use(root: Root, used: UsedChunks, chunks: ChunkStore, checkpoint: Checkpoint) -> None:
    """Note all chunks that a snapshot names. What a chunk of a manifest names is noted once, for all snapshots.

    Raises `Damage`, `StorageError`.
    """
    ids = [root.chunks[at : at + CHUNK_ID_SIZE] for at in range(0, len(root.chunks), CHUNK_ID_SIZE)]
    missing = used.missing
    fresh = [chunk for chunk in ids if used.use(chunk)]
    if used.missing != missing:
        raise ObjectDamaged("a chunk of a manifest is in no pack")
    for begin in range(0, len(fresh), READ_AHEAD):
        checkpoint()
        for span in spans_of(chunks.located(fresh[begin : begin + READ_AHEAD])):
            for _, plain in chunks.read_span(span):
                _records_use(plain, used)


def _records_use(plain: bytes, used: UsedChunks) -> None:
    for record in records_unpack(plain):
        if record.content is not None:
            for chunk in record.content.chunk_ids():
                used.use(chunk)
