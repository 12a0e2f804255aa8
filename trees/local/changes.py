"""The comparison of a part of a file with the same part in a parent snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol

from blake3 import blake3

from trees.blocks import block_spans
from trees.hashes import BLOCK_SIZE, HASH_SIZE
from trees.sectors.tags import SECTOR_SIZE, TAG_SIZE, UNKNOWN, FileTags

# Whole blocks, besides a header, so that each window begins at a block.
_WINDOW_SIZE: Final = 1 << 20
_BUFFERS_KEPT: Final = 4
_buffers: Final[list[bytearray]] = []

_Span = tuple[int, int]


class OpenFile(Protocol):
    """The file methods that a comparison needs; both may raise `SourceGone`."""

    def fill(self, view: memoryview, offset: int) -> int:
        """Fill the view from that offset and return the bytes read: fewer only at the end of the file."""

    def is_hole(self, start: int, stop: int) -> bool:
        """Whether the range is one hole, without data."""


class LocalChanges:
    """A comparison by the hashes of blocks and, if the sector map describes the parent, by the tags of sectors.

    Iterate once only. If the file ends before the part does, the rest counts as zeros. Raises ValueError for a header
    that is not made of whole sectors or is longer than a block.
    """

    def __init__(
        self, file: OpenFile, tags: FileTags | None, start: int, stop: int, *, header: int, known: bytes
    ) -> None:
        if header % SECTOR_SIZE or header > BLOCK_SIZE or start % SECTOR_SIZE:
            raise ValueError("parts and headers are made of whole sectors")
        self.hashes = b""
        self._file = file
        self._tags = tags
        self._start = start
        self._stop = stop
        self._header = header
        self._known = known

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """Yield runs of changed sectors or blocks; no run spans two windows."""
        offset, header = self._start, self._header
        hashes = bytearray()
        buffer = _buffers.pop() if _buffers else bytearray(_WINDOW_SIZE + BLOCK_SIZE)
        while offset < self._stop:
            size = min(self._stop - offset, header + _WINDOW_SIZE)
            spans = block_spans(size, header)
            known = self._known[len(hashes) : len(hashes) + len(spans) * HASH_SIZE]
            if self._file.is_hole(offset, offset + size) and known == _hole_hashes(spans):
                hashes += known
                self._keep(offset, size)
            else:
                view = memoryview(buffer)[:size]
                filled = self._file.fill(view, offset)
                view[filled:] = bytes(size - filled)
                window = _Window(offset, view, spans, known)
                hashes += b"".join(window.hashes)
                for low, high in _merged(self._changed(window)):
                    yield offset + low, view[low:high]
            offset, header = offset + size, 0
        self.hashes = bytes(hashes)
        # Reached only at the end: an abandoned iteration may still have its buffer in use.
        if len(_buffers) < _BUFFERS_KEPT:
            _buffers.append(buffer)

    def _keep(self, offset: int, size: int) -> None:
        """Take over the parent's tags: the whole range is unchanged."""
        if self._tags is not None:
            first = offset // SECTOR_SIZE
            self._tags.put(first, self._tags.before(first, _sectors(size)))

    def _changed(self, window: _Window) -> list[_Span]:
        """Return the changed spans, by sector where tags are known, and record the tags of the whole window."""
        if self._tags is None:
            return [span for span, same in zip(window.spans, window.same, strict=True) if not same]
        first = window.offset // SECTOR_SIZE
        before = self._tags.before(first, _sectors(len(window.view)))
        after = bytearray(before)
        changed: list[_Span] = []
        for number, (low, high) in enumerate(window.spans):
            begin = low // SECTOR_SIZE * TAG_SIZE
            old = before[begin : begin + _sectors(high - low) * TAG_SIZE]
            if window.same[number] and UNKNOWN not in old:
                continue
            new = self._tags.tags(window.view[low:high])
            after[begin : begin + len(new)] = new
            if number >= window.in_parent:
                changed.append((low, high))
            elif not window.same[number]:
                changed += _sectors_changed(low, high, old, new)
        self._tags.put(first, after)
        return changed


class _Window:
    """The bytes of one read, and their blocks.

    Only the first `in_parent` blocks exist in the parent. The others have no counterpart to compare with, even if
    an older snapshot had one.
    """

    __slots__ = ("hashes", "in_parent", "offset", "same", "spans", "view")

    def __init__(self, offset: int, view: memoryview, spans: tuple[_Span, ...], known: bytes) -> None:
        self.offset = offset
        self.view = view
        self.spans = spans
        self.hashes = [blake3(view[low:high]).digest() for low, high in spans]
        self.same = [known[at * HASH_SIZE : (at + 1) * HASH_SIZE] == now for at, now in enumerate(self.hashes)]
        self.in_parent = len(known) // HASH_SIZE


def _sectors(size: int) -> int:
    return -(-size // SECTOR_SIZE)


@lru_cache(maxsize=16)
def _hole_hashes(spans: tuple[_Span, ...]) -> bytes:
    return b"".join(blake3(bytes(high - low)).digest() for low, high in spans)


def _sectors_changed(low: int, high: int, old: bytes, new: bytes) -> list[_Span]:
    """The sectors of a block whose tags differ; a sector with an unknown tag counts as changed."""
    return [
        (low + at * SECTOR_SIZE, min(low + (at + 1) * SECTOR_SIZE, high))
        for at in range(len(new) // TAG_SIZE)
        if new[at * TAG_SIZE : (at + 1) * TAG_SIZE] != old[at * TAG_SIZE : (at + 1) * TAG_SIZE]
    ]


def _merged(spans: list[_Span]) -> Iterator[_Span]:
    """Join spans that touch."""
    begin = end = 0
    for low, high in spans:
        if low != end:
            if end > begin:
                yield begin, end
            begin = low
        end = high
    if end > begin:
        yield begin, end
