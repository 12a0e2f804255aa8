"""Reads Zstandard frames (RFC 8878) as one stream of checked bytes, in bounded pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import zstandard

MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPED_MAGIC: Final = b"\x2a\x4d\x18"
"""The last three bytes of the magic number of a frame that holds no content."""
_WINDOW_MOST: Final = 8 << 20
"""The window that the RFC asks every reader to support (3.1.1.1.2); a frame decides how much memory it takes."""
_BLOCK_MOST: Final = 128 << 10
_CONTENT_SIZE_BYTES: Final = (0, 2, 4, 8)
_DICTIONARY_BYTES: Final = (0, 1, 2, 4)
_RLE, _RESERVED = 1, 3


class ZstdDamaged(ValueError):
    """The bytes are no whole frames, or their content is not as it was written."""


def is_zstd(head: bytes) -> bool:
    """Whether a file that begins with these four bytes or more holds Zstandard frames."""
    return head.startswith(MAGIC) or (head[1:4] == _SKIPPED_MAGIC and head[0] >> 4 == 5)  # noqa: PLR2004  # RFC, 3.1.2


def zstd_unpack(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the content of all frames, in pieces of up to 128 KiB; `read` returns up to so many of the next bytes.

    The library unpacks whatever it is given at once, and a few bytes may hold gigabytes. So it is given one block of a
    frame at a time. Raises ZstdDamaged for a frame that ends too early, and for anything else behind a frame.
    """
    source = _Source(read)
    try:
        while magic := source.up_to(len(MAGIC)):
            if magic == MAGIC:
                yield from _frame(source)
            elif len(magic) == len(MAGIC) and is_zstd(magic):
                source.skip(int.from_bytes(source.exactly(4), "little"))
            else:
                raise ZstdDamaged("not a frame")
    except zstandard.ZstdError as error:
        raise ZstdDamaged(str(error)) from error


def _frame(source: _Source) -> Iterator[bytes]:
    descriptor = source.exactly(1)
    flags = descriptor[0]
    is_single = bool(flags & 0x20)
    size_bytes = _CONTENT_SIZE_BYTES[flags >> 6] or int(is_single)
    header = source.exactly((not is_single) + _DICTIONARY_BYTES[flags & 3] + size_bytes)
    unpack = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MOST).decompressobj()
    unpack.decompress(MAGIC + descriptor + header)
    is_last = False
    while not is_last:
        block = source.exactly(3)
        number = int.from_bytes(block, "little")
        is_last, kind, size = bool(number & 1), number >> 1 & 3, number >> 3
        if kind == _RESERVED or size > _BLOCK_MOST:
            raise ZstdDamaged("an impossible block")
        if piece := unpack.decompress(block + source.exactly(1 if kind == _RLE else size)):
            yield piece
    if flags & 0x04:
        unpack.decompress(source.exactly(4))
    if not unpack.eof:
        raise ZstdDamaged("a frame without its end")


class _Source:
    """Reads ahead of exact requests."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._held = memoryview(b"")

    def up_to(self, wanted: int) -> bytes:
        """The next `wanted` bytes, fewer at the end only."""
        if len(self._held) >= wanted:
            taken, self._held = self._held[:wanted], self._held[wanted:]
            return bytes(taken)
        parts = bytearray(self._held)
        self._held = memoryview(b"")
        while len(parts) < wanted and (more := self._read(2 * _BLOCK_MOST)):
            taken, self._held = memoryview(more)[: wanted - len(parts)], memoryview(more)[wanted - len(parts) :]
            parts += taken
        return bytes(parts)

    def exactly(self, wanted: int) -> bytes:
        taken = self.up_to(wanted)
        if len(taken) < wanted:
            raise ZstdDamaged("truncated")
        return taken

    def skip(self, unwanted: int) -> None:
        while unwanted:
            unwanted -= len(self.exactly(min(unwanted, _BLOCK_MOST)))
