"""Blocks of about 1 MiB, filled by one thread and compressed by others, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Final, TypeVar

from pipelines.ordered import Ordered

BLOCK_BYTES: Final = 1 << 20
# While one is filled, these are compressed or wait.
AHEAD: Final = 4

Block = TypeVar("Block")
Packed = TypeVar("Packed")


class Buffers:
    """Reusable buffers of 1 MiB."""

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()

    def take(self) -> bytearray:
        """A buffer with any content."""
        return self._free.popleft() if self._free else bytearray(BLOCK_BYTES)

    def give_back(self, buffer: bytearray) -> None:
        """Return a buffer for reuse."""
        self._free.append(buffer)


def compressed(
    blocks: Iterable[Block], pack: Callable[[Block], Packed], *, pool: Executor
) -> Iterator[tuple[Block, Packed]]:
    """Each block with the result of `pack`, which a pool's threads call for a few blocks at once, in order."""
    coming: Ordered[tuple[Block, Packed]] = Ordered(pool, limit=AHEAD)
    for block in blocks:
        if coming.is_full:
            yield coming.take()
        coming.start(partial(_packed, block, pack))
    while coming:
        yield coming.take()


def _packed(block: Block, pack: Callable[[Block], Packed]) -> tuple[Block, Packed]:
    return block, pack(block)
