"""Cuts a part of a file into chunks without a parent: on the grid, or by content."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from blake3 import blake3
from pyfastcdc import FastCDC

from repository.chunked.chunks.chunk import block_hashes
from repository.chunked.chunks.repository_keys import ChunkerSizes
from repository.chunked.manifest.records import Content
from repository.chunked.snapshots.extents import ExtentList
from trees.hashes import BLOCK_SIZE
from trees.source import SourceFile

MIB = 1 << 20
GRID_SIZE = MIB

StoreChunk = Callable[[memoryview, bytes], bytes]
"""Given the bytes of a chunk and its block hashes, store it and return its id."""


def chunker_of(sizes: ChunkerSizes, seed: bytes) -> FastCDC:
    """FastCDC (Xia et al., 2020) with a gear table of the repository's own; for one thread."""
    return FastCDC(
        sizes.average,
        min_size=sizes.least,
        max_size=sizes.most,
        normalized_chunking=2,
        seed=int.from_bytes(seed[:8], "big") >> 1,  # the library takes 63 bits
    )


def cut_by_grid(
    file: SourceFile, span: tuple[int, int], *, header: int, buffer: memoryview, store: StoreChunk
) -> tuple[Content, bool]:
    """Cut into chunks of 1 MiB after the header, or less where the file has holes.

    Return the content, and whether the file was shorter than its stat said.
    """
    extents, blocks, shrunk = ExtentList(), bytearray(), False
    for begin, end in _cells(*span, header):
        at, fill, cell = begin, 0, _BlockHasher()
        ranges: list[tuple[int, int]] = []
        for low, high in file.data_ranges(begin, end):
            if low == high:
                continue  # it became a hole between two calls
            view = buffer[fill : fill + high - low]
            shrunk |= _fill(file, view, low)
            ranges.append((low, high))
            if (low, high) != (begin, end):
                cell.skip(low - at)
                cell.update(view)
            at, fill = high, fill + high - low
        # A chunk that is a whole cell has the same blocks as the file: they are hashed once.
        hashes = block_hashes(buffer[:fill])
        cell.skip(end - at)
        blocks += hashes if ranges == [(begin, end)] else cell.finish()
        _cell_place(extents, (begin, end), ranges, store(buffer[:fill], hashes) if fill else b"")
    return extents.content(bytes(blocks)), shrunk


def _cell_place(extents: ExtentList, cell: tuple[int, int], ranges: list[tuple[int, int]], chunk: bytes) -> None:
    """Add the extents of a cell; its ranges of data follow one another in the chunk."""
    at, offset = cell[0], 0
    for low, high in ranges:
        extents.add_hole(low - at)
        extents.add(high - low, chunk, offset)
        at, offset = high, offset + high - low
    extents.add_hole(cell[1] - at)


def cut_by_content(
    file: SourceFile, span: tuple[int, int], *, chunker: FastCDC, buffer: memoryview, store: StoreChunk
) -> tuple[Content, bool]:
    """Cut by content (FastCDC). Return the content, and whether the file was shorter than its stat said."""
    start, stop = span
    extents, blocks, at, shrunk = ExtentList(), _BlockHasher(), start, False
    for low, high in file.data_ranges(start, stop):
        extents.add_hole(low - at)
        blocks.skip(low - at)
        at = low
        for piece in _pieces(file, (low, high), chunker=chunker, buffer=buffer, blocks=blocks):
            extents.add(len(piece), store(piece, block_hashes(piece)), 0)
            at += len(piece)
        if at < high:
            shrunk = True
            break
    extents.add_hole(stop - at)
    blocks.skip(stop - at)
    return extents.content(blocks.finish()), shrunk


def _cells(start: int, stop: int, header: int) -> Iterator[tuple[int, int]]:
    """The start and end of each chunk of the grid."""
    if header and start == 0 and stop:
        yield 0, min(header, stop)
        start = min(header, stop)
    for begin in range(start, stop, GRID_SIZE):
        yield begin, min(begin + GRID_SIZE, stop)


def _fill(file: SourceFile, view: memoryview, offset: int) -> bool:
    """Fill the view, with zeros after the end of the file; return whether the file ended."""
    length = file.readinto(view, offset)
    if length == len(view):
        return False
    view[length:] = bytes(len(view) - length)
    return True


def _pieces(
    file: SourceFile, span: tuple[int, int], *, chunker: FastCDC, buffer: memoryview, blocks: _BlockHasher
) -> Iterator[memoryview]:
    """Yield a range of data chunk by chunk, up to the end of the file. A view is valid until the next iteration."""
    (low, high), held, end = span, 0, False
    while not end or held:
        wanted = buffer[held : held + min(len(buffer) - held, high - low)]
        length = 0 if end else file.readinto(wanted, low)
        blocks.update(wanted[:length])
        low += length
        held += length
        end = end or length < len(wanted) or low == high
        used = 0
        for cut in chunker.cut_buf(buffer[:held]):
            # A chunk that ends with the buffer may continue behind it.
            if not end and cut.offset + cut.length == held:
                break
            yield buffer[cut.offset : cut.offset + cut.length]
            used = cut.offset + cut.length
        held -= used
        buffer[:held] = bytes(buffer[used : used + held])


class _BlockHasher:
    """Hashes a file's blocks from pieces of any size; a block within a hole has no hash."""

    def __init__(self) -> None:
        self._hashes = bytearray()
        self._open = blake3()
        self._fill = 0
        self._has_data = False

    def update(self, view: memoryview) -> None:
        """Hash the next bytes."""
        while view:
            if not self._fill and len(view) >= BLOCK_SIZE:
                whole = len(view) // BLOCK_SIZE * BLOCK_SIZE
                self._hashes += block_hashes(view[:whole])
                view = view[whole:]
            else:
                piece = view[: BLOCK_SIZE - self._fill]
                self._has_data = True
                self._take(piece)
                view = view[len(piece) :]

    def skip(self, length: int) -> None:
        """Skip a hole of `length` bytes."""
        if self._fill:
            rest = min(length, BLOCK_SIZE - self._fill)
            self._take(memoryview(bytes(rest)))
            length -= rest
        self._take(memoryview(bytes(length % BLOCK_SIZE)))

    def finish(self) -> bytes:
        """Return all hashes, 32 bytes each."""
        self._end_block()
        return bytes(self._hashes)

    def _take(self, piece: memoryview) -> None:
        self._open.update(piece)
        self._fill += len(piece)
        if self._fill == BLOCK_SIZE:
            self._end_block()

    def _end_block(self) -> None:
        if self._has_data:
            self._hashes += self._open.digest()
        if self._fill:
            self._open = blake3()
        self._fill, self._has_data = 0, False
