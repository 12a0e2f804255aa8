"""The state of every copy of a chunk, by its position in the index, and the reading of good copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from repository.chunked.chunks.chunk import Location
from repository.chunked.index.table import Table
from repository.chunked.pack_layout import Entry
from repository.chunked.packs.fetching import Span, span_stored, spans_of
from repository.chunked.repository import Repository
from repository.errors import Damage


class ChunkStates:
    """A flag for every copy of every chunk. `lost` are packs that are missing from storage."""

    def __init__(self, repository: Repository, tables: Sequence[Table]) -> None:
        self._repository = repository
        self._tables = tables
        self._bad = [bytearray(len(table)) for table in tables]
        self.lost: set[bytes] = set()

    def spoil(self, chunk: bytes, place: Location) -> None:
        """Mark the copy at that place as damaged: it does not open."""
        for number, table in enumerate(self._tables):
            for position in table.positions(chunk):
                if table.at(position)[1] == place:
                    self._bad[number][position] = 1

    def spoiled(self) -> Iterator[tuple[bytes, Location]]:
        """Every damaged copy."""
        for table, flags in zip(self._tables, self._bad, strict=True):
            position = flags.find(1)
            while position >= 0:
                yield table.at(position)
                position = flags.find(1, position + 1)

    def names(self, chunk: bytes, place: Location) -> bool:
        """Whether the index has the chunk at that place."""
        return any(at == place for table in self._tables for at in table.find(chunk))

    def copies(self, chunk: bytes, pack: bytes) -> Iterator[tuple[bytes, Location]]:
        """The copies of a chunk that the index names in a pack."""
        for table in self._tables:
            yield from ((chunk, at) for at in table.find(chunk) if at.pack == pack)

    def places(self, chunk: bytes) -> Iterator[Location]:
        """The places of a chunk that are not known to be damaged or lost."""
        for number, table in enumerate(self._tables):
            for position in table.positions(chunk):
                place = table.at(position)[1]
                if not self._bad[number][position] and place.pack not in self.lost:
                    yield place

    def problem(self, chunk: bytes) -> str | None:
        """The reason why a chunk cannot be read; None if no problem is known."""
        if next(self.places(chunk), None) is not None:
            return None
        if any(len(table.positions(chunk)) for table in self._tables):
            return "a chunk of it is damaged or lost"
        return "the index does not name a chunk of it"

    def entries(self, packs: frozenset[bytes]) -> dict[bytes, list[Entry]]:
        """The entries of the index for some packs."""
        found: dict[bytes, list[Entry]] = {pack: [] for pack in packs}
        for table in self._tables:
            if any(size.pack in packs for size in table.packs):
                for chunk, at in table:
                    if at.pack in packs:
                        found[at.pack].append((chunk, at))
        return found

    def read(self, chunks: Iterable[bytes]) -> dict[bytes, bytes]:
        """The plain bytes of the readable chunks. A copy that does not open is marked, and the next one is tried."""
        found: dict[bytes, bytes] = {}
        missing = dict.fromkeys(chunks)
        while missing:
            located = [(chunk, at) for chunk in missing if (at := next(self.places(chunk), None)) is not None]
            if not located:
                break
            for span in spans_of(located):
                found.update((chunk, plain) for chunk, _, plain in self.span_read(span) if plain is not None)
            missing = {chunk: None for chunk, _ in located if chunk not in found}
        return found

    def span_read(self, span: Span) -> Iterator[tuple[bytes, Location, bytes | None]]:
        """Each chunk of a span with its place and plain bytes, or None for a damaged copy, which is marked."""
        repository = self._repository
        for (chunk, at), stored in zip(span.chunks, span_stored(repository.objects, span), strict=True):
            try:
                plain = repository.cipher.open(stored, chunk_id=chunk, location=at)
            except Damage:
                self.spoil(chunk, at)
                yield chunk, at, None
            else:
                yield chunk, at, plain
