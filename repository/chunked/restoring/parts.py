"""A part of a file: its runs in chunks, and how it compares with what a live file has there."""

from __future__ import annotations

import errno
import os
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from blake3 import blake3

from repository.chunked.chunks.chunk import HASH_SIZE
from repository.chunked.manifest.records import CHUNK_ID_SIZE, HOLE, Content, Record, blocks_in, parts_of, placed
from repository.chunked.restoring.workers import Workers

MIB = 1 << 20
READ_SIZE = MIB // 4  # what has been read is still in the processor's own memory when it is hashed
ONE = 3  # numbers in a content's extents that are one extent
_ZEROS = bytes(READ_SIZE)

Range = tuple[int, int]


class Run(NamedTuple):
    """So many bytes at an offset of a file, from an offset of a chunk."""

    offset: int
    at: int
    length: int


class Part:
    """A part of a file on its way: `wanted` are the ranges whose content the target lacks, None when it lacks all.

    `differs`: what is live there is not what the part says.
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
        """Find out whether a live file is as it should be, up to the first difference."""
        wrong = any(not right for _, _, blocks in _reads(fd, self, workers) for _, right in blocks)
        self.differs = wrong or any(_holds_data(fd, hole, workers) for hole in self._holes())

    def take(self, live: int, fd: int | None, workers: Workers) -> int:
        """Take from the live file what is right there into another one; all else is wanted then.

        Without a file to take it to, the live one is that file itself. Returns the bytes that need not be fetched.
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
        """What to fetch: by chunk, the runs that lie in wanted ranges."""
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
        """The bytes of the part that are in no hole."""
        return content_data_size(self.content)

    @property
    def is_sparse(self) -> bool:
        """Whether it has holes."""
        return HOLE in self.content.extents[1::3]

    def _data(self) -> Iterator[Range]:
        """The ranges that are in no hole: most files have none, whatever number of extents they have."""
        if not self.is_sparse:
            return iter([(self.start, self.stop)])
        return ((begin, end) for begin, end, extent in placed(self.content, self.start) if extent.chunk is not None)

    def _holes(self) -> list[Range]:
        if not self.is_sparse:
            return []
        blocks = blocks_in(self.content, self.start, self.stop, self.header)
        return _joined((begin, end) for begin, end, hole in blocks if hole)


def content_data_size(content: Content) -> int:
    """The bytes of a part that are in no hole."""
    flat = content.extents
    if len(flat) == ONE:
        return flat[0] if flat[1] != HOLE else 0
    return sum(length for length, number in zip(flat[0::3], flat[1::3], strict=True) if number != HOLE)


def file_parts(record: Record, others: list[Record]) -> list[Part]:
    """The parts of a file, of its record and those that follow it."""
    if not others and record.content is not None:
        return [Part(record.content, 0, record.size, record.header)]
    spans = parts_of(record.size, record.header)
    contents = [found.content for found in (record, *others) if found.content is not None]
    return [Part(content, *span, record.header) for content, span in zip(contents, spans, strict=True)]


class _Buffer(threading.local):
    """A thread's own buffer: to make one for each small file would cost more than to read the file."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_buffer = _Buffer()


def _reads(fd: int, part: Part, workers: Workers) -> Iterator[tuple[int, memoryview, list[tuple[Range, bool]]]]:
    """What a file has of a part, but holes, read by read: offset, bytes, and each block with whether it is right.

    The bytes are valid until the next are asked for.
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
    """The blocks of a part that are in no hole, as many together as are read at once."""
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
    """Fill the view; returns less where the file ends, or cannot be read: that is not right either."""
    filled = 0
    with suppress(OSError):
        while filled < len(view):
            count = os.preadv(fd, [view[filled:]], offset + filled)
            if not count:
                break
            filled += count
    return filled


def _holds_data(fd: int, hole: Range, workers: Workers) -> bool:
    """Whether a range that should be zeros holds anything else, or cannot be read; what is a hole is not read."""
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
        return error.errno != errno.ENXIO  # nothing but a hole up to the end
    return False


def write_at(fd: int, view: memoryview, offset: int) -> None:
    """Write all of it at that offset; raises OSError."""
    written = 0
    while written < len(view):
        written += os.pwrite(fd, view[written:], offset + written)


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Ranges in order, those that touch made one."""
    joined: list[Range] = []
    for begin, end in ranges:
        if joined and joined[-1][1] >= begin:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _overlaps(begin: int, end: int, ranges: list[Range]) -> Iterator[Range]:
    """What of a range lies in others, which are in order and apart."""
    first = max(0, bisect_right(ranges, (begin, begin)) - 1)
    for low, high in ranges[first:]:
        if low >= end:
            return
        if high > begin:
            yield max(begin, low), min(end, high)


def _without(ranges: Iterable[Range], taken: list[Range]) -> Iterator[Range]:
    """What of ranges is in none of those taken, which are in order and apart."""
    for begin, end in ranges:
        at = begin
        for low, high in _overlaps(begin, end, taken):
            if at < low:
                yield at, low
            at = high
        if at < end:
            yield at, end
