"""The chunks that snapshots use, as flags by position in the index: a million chunks take a megabyte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from repository.checkpoint import Checkpoint
from repository.chunked.chunks.chunk import Location
from repository.chunked.index.table import Table
from repository.chunked.manifest.records import CHUNK_ID_SIZE, records_unpack
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.manifest.stream import READ_AHEAD
from repository.chunked.packs.fetching import ChunkStore, spans_of
from repository.errors import ObjectDamaged

FREE = 0
LIVE = 1
SPARE = 2
"""A copy of a used chunk of which another copy is the live one."""


@dataclass(slots=True)
class PackUse:
    """The use of one pack: its size in storage, its number of live chunks, and the bytes of live and dead chunks.

    `is_damaged`: a live chunk of it is known not to open.
    """

    size: int
    type: int = 0
    live: int = 0
    live_bytes: int = 0
    dead_bytes: int = 0
    is_damaged: bool = False

    @property
    def dead_share(self) -> float:
        """The dead share of its chunks: what is around them no repacking saves."""
        return self.dead_bytes / max(1, self.live_bytes + self.dead_bytes)


class UsedChunks:
    """Flags for all chunks of some tables. One copy of each used chunk is live: preferably one that is not known to be
    damaged, and then one outside the packs to be avoided.

    `missing` counts uses of chunks that are in no table, `plain_bytes` the plain bytes of all used chunks.
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
        """Note that a snapshot names the chunk; True if the chunk exists and this is its first use."""
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
        """The place of the live copy of a used chunk."""
        return next(at for flag, at in self._copies(chunk) if flag == LIVE)

    def live_of(self, pack: bytes) -> list[tuple[bytes, Location]]:
        """The live chunks of one pack, as the tables say; this looks at every chunk."""
        return [
            entry
            for table, flags in zip(self._tables, self._flags, strict=True)
            for entry in (table.at(position) for position, flag in enumerate(flags) if flag == LIVE)
            if entry[1].pack == pack
        ]

    def spares(self, packs: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Each used chunk with a copy in one of these packs that is not the live one: its id and that pack."""
        for table, flags in zip(self._tables, self._flags, strict=True):
            position = flags.find(SPARE)
            while position >= 0:
                chunk, at = table.at(position)
                if at.pack in packs:
                    yield chunk, at.pack
                position = flags.find(SPARE, position + 1)

    def packs(self) -> dict[bytes, PackUse]:
        """The use of each pack in the tables."""
        found: dict[bytes, PackUse] = {}
        for table, flags in zip(self._tables, self._flags, strict=True):
            # If two tables name a pack, its live chunks are in the first one.
            fresh = [None if size.pack in found else PackUse(size.size) for size in table.packs]
            found.update((size.pack, use) for size, use in zip(table.packs, fresh, strict=True) if use is not None)
            for (type_, number, stored, _plain), flag in zip(table.brief(), flags, strict=True):
                use = fresh[number]
                if use is None:
                    continue
                use.type = type_
                if flag == LIVE:
                    use.live += 1
                    use.live_bytes += stored
                else:
                    use.dead_bytes += stored
        for copy in self._damaged:
            pack, chunk = copy[:-CHUNK_ID_SIZE], copy[-CHUNK_ID_SIZE:]
            if pack in found and self.live_in(chunk, pack):
                found[pack].is_damaged = True
        return found

    def _copies(self, chunk: bytes) -> Iterator[tuple[int, Location]]:
        for number, table in enumerate(self._tables):
            for position in table.positions(chunk):
                yield self._flags[number][position], table.at(position)[1]

    def _chosen(self, chunk: bytes) -> tuple[int, int]:
        """Choose the live copy; the others become spare."""
        places = [
            (number, position) for number, table in enumerate(self._tables) for position in table.positions(chunk)
        ]
        for number, position in places:
            self._flags[number][position] = SPARE
        return min(places, key=lambda place: self._doubts(chunk, self._tables[place[0]].at(place[1])[1].pack))

    def _doubts(self, chunk: bytes, pack: bytes) -> tuple[bool, bool]:
        return pack + chunk in self._damaged, pack in self._avoided


def snapshot_use(root: SnapshotRoot, used: UsedChunks, chunks: ChunkStore, checkpoint: Checkpoint) -> None:
    """Note all chunks that a snapshot names; a chunk of a manifest that several snapshots share is read once.

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
