"""A part of a file that is rewritten in place, against what the parent holds of it: only changed sectors are stored."""

from __future__ import annotations

from collections.abc import Iterator

from repository.chunked.chunks.chunk import block_hashes
from repository.chunked.manifest.records import HOLE, Content, Extent, placed
from repository.chunked.snapshots.cutting import StoreChunk
from repository.chunked.snapshots.extents import ExtentList
from trees.source import SourceFile

MIB = 1 << 20
# A part in more pieces than that is stored anew: its chunks hold little of it, and reading it means many small reads.
EXTENTS_PER_BLOCK = 8


def base_is_usable(base: Content, blocks: int) -> bool:
    """Whether a part may be stored as changes of this one: it is in one piece enough, and has no holes."""
    extents = len(base.extents) // 3
    return extents <= EXTENTS_PER_BLOCK * max(1, blocks) and HOLE not in base.extents[1::3]


def delta_content(file: SourceFile, span: tuple[int, int], *, header: int, base: Content, store: StoreChunk) -> Content:
    """The part as extents of the parent's chunks, and of new chunks that hold what changed."""
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
    """An extent that is no hole."""
    if extent.chunk is None:
        raise ValueError("a base has no holes")
    return extent.length, extent.chunk, extent.offset


class _Fresh:
    """Changed bytes gathered into chunks of up to 1 MiB."""

    def __init__(self, store: StoreChunk) -> None:
        self._store = store
        self._held = bytearray()
        self._chunks: list[bytes] = []

    def add(self, view: memoryview) -> Iterator[tuple[int, int, int]]:
        """Where the bytes will lie: length, number of the chunk, offset in it."""
        while view:
            piece = view[: MIB - len(self._held)]
            yield len(piece), len(self._chunks), len(self._held)
            self._held += piece
            view = view[len(piece) :]
            if len(self._held) == MIB:
                self._flush()

    def finish(self) -> list[bytes]:
        """The ids of the chunks, by number."""
        self._flush()
        return self._chunks

    def _flush(self) -> None:
        if self._held:
            held = memoryview(bytes(self._held))
            self._chunks.append(self._store(held, block_hashes(held)))
            self._held.clear()


class _Parent:
    """The parent's extents of a part, asked for in order."""

    def __init__(self, base: Content, start: int) -> None:
        self._placed = placed(base, start)
        self._now: tuple[int, int, Extent] | None = next(self._placed, None)

    def slice(self, begin: int, end: int) -> Iterator[Extent]:
        """The extents that make up these bytes; raises ValueError when the parent has not that many."""
        while begin < end:
            while self._now is not None and self._now[1] <= begin:
                self._now = next(self._placed, None)
            if self._now is None:
                raise ValueError("a source said that bytes are the parent's, which has none there")
            low, high, extent = self._now
            length = min(end, high) - begin
            yield Extent(length, extent.chunk, extent.offset + begin - low)
            begin += length
