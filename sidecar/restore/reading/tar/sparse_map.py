"""The map of a sparse file: which of its bytes a tar holds; the rest is zeros.

GNU tar writes it in four ways: in a header of type `S` and blocks after it, and with pax records as pairs of
`GNU.sparse.offset` and `GNU.sparse.numbytes` (0.0), as `GNU.sparse.map` (0.1), or as lines before the content (1.0).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sidecar.errors import ArchiveRefused
from sidecar.restore.reading.tar.header import BLOCK, number_parse

RUNS_MAX = 1 << 20
"""Of all sparse files of an archive: each run is work of its own, however few bytes it has."""
_LARGEST = (1 << 63) - 1
_DIGITS = re.compile(rb"[0-9]{1,19}")
# Offsets in a header of type `S`, and in the blocks that go on with its map.
_HEADER_MAP, _HEADER_GOES_ON, _HEADER_SIZE = slice(386, 482), 482, slice(483, 495)
_BLOCK_MAP, _BLOCK_GOES_ON = slice(0, 504), 504
_FIELD_BYTES = 12

NextBlock = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class SparseMap:
    """`numbers` are the offset and the length of each run, `size` is that of the whole file.

    The map took the first `map_bytes` of the stored content.
    """

    numbers: array[int]
    size: int
    map_bytes: int = 0

    def runs(self) -> Iterator[tuple[int, int]]:
        """Offset and length of each run."""
        return zip(self.numbers[::2], self.numbers[1::2], strict=True)

    def check(self, stored: int) -> None:
        """Raise ArchiveRefused unless the runs are in order, within the file, and as long as the stored content."""
        end = total = 0
        for offset, length in self.runs():
            if offset < end:
                raise _malformed()
            end = offset + length
            total += length
        if end > self.size or total != stored - self.map_bytes:
            raise _malformed()


def map_of_header(block: bytes, next_block: NextBlock) -> SparseMap:
    """The map of a header of type `S`; `next_block` gives the blocks after it."""
    numbers = array("q")
    size = number_parse(block[_HEADER_SIZE])
    fields, goes_on = block[_HEADER_MAP], block[_HEADER_GOES_ON]
    while True:
        for at in range(0, len(fields), 2 * _FIELD_BYTES):
            offset, length = fields[at : at + _FIELD_BYTES], fields[at + _FIELD_BYTES : at + 2 * _FIELD_BYTES]
            if length[0]:
                _numbers_add(numbers, (number_parse(offset), number_parse(length)))
        if not goes_on:
            return SparseMap(numbers, size)
        block = next_block()
        fields, goes_on = block[_BLOCK_MAP], block[_BLOCK_GOES_ON]


def map_of_records(listed: Iterable[bytes], size: int) -> SparseMap:
    """The map of pax records: offset and length of each run in turn."""
    numbers = array("q")
    _numbers_add(numbers, map(_number, listed))
    if len(numbers) % 2:
        raise _malformed()
    return SparseMap(numbers, size)


def map_of_content(next_block: NextBlock, size: int) -> SparseMap:
    """The map before the content: decimal lines, the number of runs first, filled up to a whole block."""
    numbers, map_bytes, wanted, rest = array("q"), 0, -1, b""
    while len(numbers) != wanted:
        *lines, rest = (rest + next_block()).split(b"\n")
        map_bytes += BLOCK
        if wanted < 0 and lines:
            wanted = 2 * _number(lines.pop(0))
        _numbers_add(numbers, map(_number, lines[: max(wanted - len(numbers), 0)]))
        if wanted > 2 * RUNS_MAX:
            raise _too_many()
        if len(rest) > BLOCK:
            raise _malformed()
    return SparseMap(numbers, size, map_bytes)


def _numbers_add(numbers: array[int], more: Iterable[int]) -> None:
    for number in more:
        if not 0 <= number <= _LARGEST:
            raise _malformed()
        numbers.append(number)
    if len(numbers) > 2 * RUNS_MAX:
        raise _too_many()


def _number(digits: bytes) -> int:
    if not _DIGITS.fullmatch(digits):
        raise _malformed()
    return int(digits)


def _malformed() -> ArchiveRefused:
    return ArchiveRefused("a sparse file's map contradicts itself")


def _too_many() -> ArchiveRefused:
    return ArchiveRefused(f"a sparse file has more than {RUNS_MAX} runs of data")
