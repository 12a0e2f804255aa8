"""Contents that come as runs of bytes in chunks, which come before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import zstandard

from sidecar.errors import ArchiveDamaged
from wire.chunks import CHUNK_BYTES_MAX, KeptChunks

# Runs below the first size are copied together, up to the second: each piece costs a hand-over and a write.
_SMALL_BYTES = 64 << 10
_JOINED_BYTES = 1 << 20


class Chunks:
    """The chunks that came and are kept. All methods raise ArchiveDamaged for what no sender sends."""

    def __init__(self) -> None:
        self._kept: KeptChunks[memoryview] = KeptChunks()
        self._parts: list[memoryview] = []
        self._unpacking = zstandard.ZstdDecompressor()

    def take(self, part: memoryview, *, size: int) -> None:
        """Take the next bytes of a chunk. `size`: that of the whole chunk when it ends with them, else 0.

        A chunk that came in fewer bytes is a Zstandard frame, which is decompressed.
        """
        self._parts.append(part)
        came = sum(map(len, self._parts))
        if came > CHUNK_BYTES_MAX or size > CHUNK_BYTES_MAX:
            raise ArchiveDamaged("a chunk of the contents is larger than any")
        if size:
            payload = part if len(self._parts) == 1 else memoryview(b"".join(self._parts))
            self._parts = []
            self._kept.add(payload if came == size else self._unpacked(payload, size), size=size)

    def pieces(self, runs: Iterable[tuple[int, int, int]]) -> Iterator[memoryview]:
        """The bytes of runs, each given as the number of a chunk, an offset in it, and a length."""
        small: list[memoryview] = []
        waiting = 0
        for number, offset, length in runs:
            piece = self._run(number, offset, length)
            if waiting and (length >= _SMALL_BYTES or waiting + length > _JOINED_BYTES):
                yield _joined(small)
                small, waiting = [], 0
            if length >= _SMALL_BYTES:
                yield piece
            else:
                small.append(piece)
                waiting += length
        if waiting:
            yield _joined(small)

    def _run(self, number: int, offset: int, length: int) -> memoryview:
        try:
            piece = self._kept.use(number)[offset : offset + length]
        except KeyError:
            raise ArchiveDamaged("contents came of a chunk that is not here") from None
        if not length or len(piece) != length:
            raise ArchiveDamaged("contents came from beyond the end of a chunk")
        return piece

    def _unpacked(self, payload: memoryview, size: int) -> memoryview:
        """The frame's content. Nothing larger than was announced is made, and nothing may follow the frame."""
        try:
            if zstandard.frame_content_size(payload) == size:
                found = self._unpacking.decompress(payload, max_output_size=size, allow_extra_data=False)
                if len(found) == size:
                    return memoryview(found)
        except zstandard.ZstdError:
            pass
        raise ArchiveDamaged("a chunk of the contents is not what was announced")


def _joined(pieces: Sequence[memoryview]) -> memoryview:
    return pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
