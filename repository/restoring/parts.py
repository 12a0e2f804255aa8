"""A part of a file: its runs in chunks, and how it compares with what a live file has there."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from blake3 import blake3

from repository.chunks.chunk import BLOCK_SIZE, HASH_SIZE
from repository.restoring.workers import Workers
from repository.tree.records import CHUNK_ID_SIZE, HOLE, Content, Record, blocks_in, parts_of, placed

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
        """Find out what of a live file is not as it should be: all of it where it cannot be read."""
        try:
            self.wanted = _blocks_differing(fd, self, [], workers)
            self.differs = bool(self.wanted) or any(_holds_data(fd, hole, workers) for hole in self._holes())
        except OSError:
            self.wanted, self.differs = None, True

    def copy(self, live: int, fd: int, workers: Workers) -> int:
        """Take from the live file what is right there; what has changed since it was compared becomes wanted.

        Returns the bytes that need not be fetched.
        """
        wanted = self.wanted or []
        for begin, end in _without(self._data(), wanted):
            _copy(live, fd, begin, end, workers)
        self.wanted = _joined(sorted([*wanted, *_blocks_differing(fd, self, wanted, workers)]))
        return sum(end - begin for begin, end in _without(self._data(), self.wanted))

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

    def _data(self) -> Iterator[Range]:
        """The ranges that are in no hole: most files have none, whatever number of extents they have."""
        if not self._is_sparse():
            return iter([(self.start, self.stop)])
        return ((begin, end) for begin, end, extent in placed(self.content, self.start) if extent.chunk is not None)

    def _is_sparse(self) -> bool:
        return HOLE in self.content.extents[1::3]

    def _holes(self) -> list[Range]:
        if not self._is_sparse():
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


def _blocks_differing(fd: int, part: Part, skipped: list[Range], workers: Workers) -> list[Range]:
    """The ranges of whole blocks whose hashes are not the part's, but those skipped and those in holes."""
    buffer = _buffer.view
    known, at, found = part.content.blocks, 0, []
    # With holes, what follows a block may be a gap of any size that is better not read.
    step = READ_SIZE if len(known) // HASH_SIZE >= (part.stop - part.start) // BLOCK_SIZE else BLOCK_SIZE
    held_begin = held_end = 0
    skips = iter([*skipped, (part.stop, part.stop)])
    skip_begin, skip_end = next(skips)
    for begin, end, hole in blocks_in(part.content, part.start, part.stop, part.header):
        if hole:
            continue
        expected, at = known[at : at + HASH_SIZE], at + HASH_SIZE
        while skip_end <= begin < part.stop and skip_end < part.stop:
            skip_begin, skip_end = next(skips)
        if skip_begin <= begin < skip_end:
            continue
        if not held_begin <= begin <= end <= held_end:
            workers.go_on()
            held_begin = begin
            held_end = begin + _read(fd, buffer[: min(step, part.stop - begin)], begin)
        low, high = begin - held_begin, end - held_begin
        if end > held_end or blake3(buffer[low:high]).digest() != expected:
            found.append((begin, end))
    return _joined(found)


def _read(fd: int, view: memoryview, offset: int) -> int:
    filled = 0
    while filled < len(view):
        count = os.preadv(fd, [view[filled:]], offset + filled)
        if not count:
            break
        filled += count
    return filled


def _holds_data(fd: int, hole: Range, workers: Workers) -> bool:
    """Whether a range that should be zeros holds anything else; what is a hole is not read."""
    begin, end = hole
    while begin < end:
        try:
            begin = os.lseek(fd, begin, os.SEEK_DATA)
        except OSError:
            return False  # ENXIO: nothing but a hole up to the end
        if begin >= end:
            return False
        stop = min(end, os.lseek(fd, begin, os.SEEK_HOLE))
        while begin < stop:
            workers.go_on()
            piece = os.pread(fd, min(READ_SIZE, stop - begin), begin)
            if piece != _ZEROS[: len(piece)]:
                return True
            if not piece:
                return False
            begin += len(piece)
    return False


def _copy(live: int, fd: int, begin: int, end: int, workers: Workers) -> None:
    """Copy a range, sharing it where the filesystem can; the end of the live file ends it early."""
    while begin < end:
        workers.go_on()
        size = min(end - begin, 8 * MIB)
        try:
            count = os.copy_file_range(live, fd, size, begin, begin)
        except OSError:
            count = os.pwrite(fd, os.pread(live, min(size, READ_SIZE), begin), begin)
        if not count:
            return
        begin += count


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
