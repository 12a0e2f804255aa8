"""Deltas: of a file that is rewritten in place, only the sectors that changed since the parent are stored."""

from __future__ import annotations

from collections.abc import Iterator

from repository.chunked.chunks.chunk import block_hashes
from repository.chunked.manifest.records import HOLE, Content, Extent, placed
from repository.chunked.snapshots.cutting import StoreChunk
from repository.chunked.snapshots.extents import ExtentList
from trees.source import SourceFailed, SourceFile

MIB = 1 << 20
# A part with more extents than that is stored anew: each chunk has little of it, so a restore needs many small reads.
EXTENTS_PER_BLOCK = 8


def base_is_usable(base: Content, blocks: int) -> bool:
    """Whether a part may be stored as a delta against `base`, which must have few extents and no holes."""
    extents = len(base.extents) // 3
    return extents <= EXTENTS_PER_BLOCK * max(1, blocks) and HOLE not in base.extents[1::3]


def delta_content(file: SourceFile, span: tuple[int, int], *, header: int, base: Content, store: StoreChunk) -> Content:
    """Return the part as extents of the parent's chunks and of new chunks with the changed sectors."""
    start, stop = span
    # Only the first part has the header.
    changes = file.changes(start, stop, header=0 if start else header, known=base.blocks)
    fresh = _Fresh(store)
    steps: list[tuple[int, int, int]] = []  # length, number of the new chunk (or HOLE: the parent's), offset there
    at = start
    for offset, view in changes:
        if offset > at:
            steps.append((offset - at, HOLE, at))
        steps += fresh.add(view)
        at = offset + len(view)
    if stop > at:
        steps.append((stop - at, HOLE, at))
    chunks = fresh.finish()
    extents, parent = ExtentList(), _Parent(base, start)
    for length, number, position in steps:
        if number != HOLE:
            extents.add(length, chunks[number], position)
            continue
        for extent in parent.slice(position, position + length):
            extents.add(*_named(extent))
    return extents.content(changes.hashes)


def _named(extent: Extent) -> tuple[int, bytes, int]:
    """The extent, which must have a chunk; raises ValueError for a hole."""
    if extent.chunk is None:
        raise ValueError("a base has no holes")
    return extent.length, extent.chunk, extent.offset


class _Fresh:
    """Collects changed bytes into new chunks of up to 1 MiB."""

    def __init__(self, store: StoreChunk) -> None:
        self._store = store
        self._held = bytearray()
        self._chunks: list[bytes] = []

    def add(self, view: memoryview) -> Iterator[tuple[int, int, int]]:
        """Add bytes; yield their places: length, number of the chunk, offset in it."""
        while view:
            piece = view[: MIB - len(self._held)]
            yield len(piece), len(self._chunks), len(self._held)
            self._held += piece
            view = view[len(piece) :]
            if len(self._held) == MIB:
                self._flush()

    def finish(self) -> list[bytes]:
        """Store the last chunk; return the ids of all chunks by number."""
        self._flush()
        return self._chunks

    def _flush(self) -> None:
        if self._held:
            held = memoryview(bytes(self._held))
            self._chunks.append(self._store(held, block_hashes(held)))
            self._held.clear()


class _Parent:
    """The parent's extents of a part, sliced in ascending order."""

    def __init__(self, base: Content, start: int) -> None:
        self._placed = placed(base, start)
        self._now: tuple[int, int, Extent] | None = next(self._placed, None)

    def slice(self, begin: int, end: int) -> Iterator[Extent]:
        """Yield the extents of these bytes; raises `SourceFailed` when they exceed the parent's content."""
        while begin < end:
            while self._now is not None and self._now[1] <= begin:
                self._now = next(self._placed, None)
            if self._now is None:
                raise SourceFailed("bytes are said to be the parent's, which has none there")
            low, high, extent = self._now
            length = min(end, high) - begin
            yield Extent(length, extent.chunk, extent.offset + begin - low)
            begin += length
