"""Parts of a file: their runs in chunks, and their comparison with the live file."""

from __future__ import annotations

import errno
import os
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from blake3 import blake3

from repository.chunked.manifest.records import CHUNK_ID_SIZE, HOLE, Content, Record, blocks_in, parts_of, placed
from repository.chunked.restoring.workers import Workers
from trees.hashes import HASH_SIZE

MIB = 1 << 20
READ_SIZE = MIB // 4  # fits into the processor's cache, where it is hashed
ONE = 3  # numbers per extent in a content's `extents`
_ZEROS = bytes(READ_SIZE)

Range = tuple[int, int]


class Run(NamedTuple):
    """A run of bytes: `offset` in the file, `at` in the chunk, `length`."""

    offset: int
    at: int
    length: int


class Part:
    """A part of a file being restored. `wanted`: the ranges still to be fetched, None for all of them.

    `differs`: the live file has other content in this part.
    """

    __slots__ = ("content", "differs", "header", "start", "stop", "wanted")

    def __init__(self, content: Content, start: int, stop: int, header: int) -> None:
        self.content = content
        self.start = start
        self.stop = stop
        self.header = header
        self.wanted: list[Range] | None = None
        self.differs = True

    def compare(self, fd: int, workers: Workers) -> None:
        """Compare the part with a live file, up to the first difference; sets `differs`."""
        wrong = any(not right for _, _, blocks in _reads(fd, self, workers) for _, right in blocks)
        self.differs = wrong or any(_holds_data(fd, hole, workers) for hole in self._holes())

    def take(self, live: int, fd: int | None, workers: Workers) -> int:
        """Copy the blocks of the live file that already match into the new file; the rest becomes `wanted`.

        Without a new file (`fd` is None) the live file itself is completed. Returns the bytes that need no fetch.
        """
        wrong: list[Range] = []
        data = list(self._data())
        for start, view, blocks in _reads(live, self, workers):
            wrong += [block for block, right in blocks if not right]
            if fd is None:
                continue
            for low, high in _joined(block for block, right in blocks if right):
                for begin, end in _overlaps(low, high, data):
                    write_at(fd, view[begin - start : end - start], begin)
        self.wanted = _joined(wrong)
        return sum(end - begin for begin, end in _without(data, self.wanted))

    def runs(self) -> dict[bytes, list[Run]]:
        """The runs to fetch, by chunk: those in wanted ranges."""
        content = self.content
        found: dict[bytes, list[Run]] = {}
        if self.wanted is None and len(content.extents) == ONE and content.extents[1] != HOLE:
            length, number, offset = content.extents  # as most files are
            return {
                content.ids[number * CHUNK_ID_SIZE : (number + 1) * CHUNK_ID_SIZE]: [Run(self.start, offset, length)]
            }
        for begin, end, extent in placed(content, self.start):
            if extent.chunk is None:
                continue
            for low, high in [(begin, end)] if self.wanted is None else _overlaps(begin, end, self.wanted):
                found.setdefault(extent.chunk, []).append(Run(low, extent.offset + low - begin, high - low))
        return found

    def data_size(self) -> int:
        """The size of the part in bytes without its holes."""
        return content_data_size(self.content)

    @property
    def is_sparse(self) -> bool:
        """Whether the part has holes."""
        return HOLE in self.content.extents[1::3]

    def _data(self) -> Iterator[Range]:
        """The ranges between the holes: a single one for most files, whatever their number of extents."""
        if not self.is_sparse:
            return iter([(self.start, self.stop)])
        return ((begin, end) for begin, end, extent in placed(self.content, self.start) if extent.chunk is not None)

    def _holes(self) -> list[Range]:
        if not self.is_sparse:
            return []
        blocks = blocks_in(self.content, self.start, self.stop, self.header)
        return _joined((begin, end) for begin, end, hole in blocks if hole)


def content_data_size(content: Content) -> int:
    """The size in bytes of a part's content without its holes."""
    flat = content.extents
    if len(flat) == ONE:
        return flat[0] if flat[1] != HOLE else 0
    return sum(length for length, number in zip(flat[0::3], flat[1::3], strict=True) if number != HOLE)


def file_parts(record: Record, others: list[Record]) -> list[Part]:
    """The parts of a file, given its record and the part records that follow it."""
    if not others and record.content is not None:
        return [Part(record.content, 0, record.size, record.header)]
    spans = parts_of(record.size, record.header)
    contents = [found.content for found in (record, *others) if found.content is not None]
    return [Part(content, *span, record.header) for content, span in zip(contents, spans, strict=True)]


class _Buffer(threading.local):
    """A buffer for each thread: allocating one for each small file would cost more than reading the file."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_buffer = _Buffer()


def _reads(fd: int, part: Part, workers: Workers) -> Iterator[tuple[int, memoryview, list[tuple[Range, bool]]]]:
    """Read a live file's data in a part, without holes: yield offset, bytes, and each block with whether it matches.

    The bytes are valid until the next iteration.
    """
    known = iter(range(0, len(part.content.blocks), HASH_SIZE))
    for blocks in _neighbours(part):
        workers.go_on()
        start = blocks[0][0]
        view = _buffer.view[: blocks[-1][1] - start]
        filled = _read(fd, view, start)
        found = []
        for begin, end in blocks:
            at = next(known)
            low, high = begin - start, end - start
            expected = part.content.blocks[at : at + HASH_SIZE]
            found.append(((begin, end), high <= filled and blake3(view[low:high]).digest() == expected))
        yield start, view, found


def _neighbours(part: Part) -> Iterator[list[Range]]:
    """The blocks of a part outside its holes, in groups of one read each."""
    group: list[Range] = []
    for begin, end, hole in blocks_in(part.content, part.start, part.stop, part.header):
        if hole:
            continue
        if group and (begin != group[-1][1] or end - group[0][0] > READ_SIZE):
            yield group
            group = []
        group.append((begin, end))
    if group:
        yield group


def _read(fd: int, view: memoryview, offset: int) -> int:
    """Fill the view; return fewer bytes where the file ends or cannot be read: both count as a difference."""
    filled = 0
    with suppress(OSError):
        while filled < len(view):
            count = os.preadv(fd, [view[filled:]], offset + filled)
            if not count:
                break
            filled += count
    return filled


def _holds_data(fd: int, hole: Range, workers: Workers) -> bool:
    """Whether a range that should be zeros has other bytes, or cannot be read. Holes of the live file are not read."""
    begin, end = hole
    try:
        while begin < end:
            begin = os.lseek(fd, begin, os.SEEK_DATA)
            stop = min(end, os.lseek(fd, begin, os.SEEK_HOLE))
            while begin < stop:
                workers.go_on()
                piece = os.pread(fd, min(READ_SIZE, stop - begin), begin)
                if piece != _ZEROS[: len(piece)]:
                    return True
                if not piece:
                    return False
                begin += len(piece)
    except OSError as error:
        return error.errno != errno.ENXIO  # a hole up to the end
    return False


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write the whole view at an offset; raises OSError."""
    written = os.pwrite(fd, view, offset)
    while written < len(view):
        written += os.pwrite(fd, view[written:], offset + written)


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Sorted ranges, with adjacent ones merged."""
    joined: list[Range] = []
    for begin, end in ranges:
        if joined and joined[-1][1] >= begin:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _overlaps(begin: int, end: int, ranges: list[Range]) -> Iterator[Range]:
    """The intersection of a range with sorted, disjoint ranges."""
    first = max(0, bisect_right(ranges, (begin, begin)) - 1)
    for low, high in ranges[first:]:
        if low >= end:
            return
        if high > begin:
            yield max(begin, low), min(end, high)


def _without(ranges: Iterable[Range], taken: list[Range]) -> Iterator[Range]:
    """The ranges minus `taken`, which is sorted and disjoint."""
    for begin, end in ranges:
        at = begin
        for low, high in _overlaps(begin, end, taken):
            if at < low:
                yield at, low
            at = high
        if at < end:
            yield at, end
