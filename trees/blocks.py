"""The blocks of a file's part: a header, if it has one, then 65536 bytes each; the last one may be shorter."""

from __future__ import annotations

from trees.hashes import BLOCK_SIZE


def block_spans(size: int, header: int) -> tuple[tuple[int, int], ...]:
    """Start and end of each block of `size` bytes, of which the first has `header` bytes, if not 0."""
    cuts = [0, *range(header, size, BLOCK_SIZE)] if header else [*range(0, size, BLOCK_SIZE)]
    return tuple(zip(cuts, [*cuts[1:], size], strict=True)) if size else ()


def block_count(size: int, header: int) -> int:
    """The number of blocks of `size` bytes, of which the first has `header` bytes, if not 0."""
    first = min(header, size)
    return bool(first) + -(-(size - first) // BLOCK_SIZE)
