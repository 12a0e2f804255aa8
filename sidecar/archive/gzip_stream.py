"""A gzip member (RFC 1952) written block by block, as fast as each block's content allows.

A compressible block goes through ISA-L. Most game data is compressed already: only the zeros that pad it to whole
sectors can be saved. Finding these zeros takes half the time of a search for matches, and saves as much. Such a block
becomes stored blocks (RFC 1951, 3.2.4) with ready-made compressed runs of zeros between them, which also unpack
faster than noise in Huffman codes. Every part ends on a byte and refers to nothing before it, so the two kinds may
follow each other in any order.
"""

import struct
from functools import lru_cache
from typing import Final

from isal import isal_zlib

# Deflate, no flags, no time (the same tree gives the same bytes), fastest, unknown system.
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_LAST_BLOCK: Final = b"\x03\x00"
_TRAILER: Final = struct.Struct("<II")
_STORED_HEADER: Final = struct.Struct("<BHH")
_STORED_BYTES: Final = 0xFFFF
_RAW_DEFLATE: Final = -15

# As fast as level 0 and a fifth smaller on text; level 2 gains nothing more.
_LEVEL: Final = 1

_SAMPLES: Final = 16
_SAMPLE_BYTES: Final = 1024
_SAMPLE_ZEROS: Final = bytes(16)
_NOISE_RATIO: Final = 0.95

# Shorter runs of zeros are not worth their time. The lengths are rounded down to whole steps, so that few different
# runs need encoding, and are measured by comparing ever shorter pieces.
_SHORTEST_RUN: Final = bytes(256)
_LONGEST_PIECE: Final = bytes(4096)
_PIECES: Final = tuple(bytes(size) for size in (2048, 1024, 512, 256, 128, 64))


class GzipStream:
    """The bytes of one gzip member: the results of `compress` for each block, then that of `finish`."""

    def __init__(self) -> None:
        self._crc32 = 0
        self._size = 0

    def compress(self, block: bytearray, size: int) -> bytes:
        """Return the next part of the stream, for the first `size` bytes of a block of about 1 MiB."""
        head = b"" if self._size else _HEADER
        content = memoryview(block)[:size]
        self._crc32 = isal_zlib.crc32(content, self._crc32)
        self._size += size
        if _is_noise(content):
            return b"".join([head, *_noise_parts(block, content)])
        return head + _deflated(content)

    def finish(self) -> bytes:
        """Return the end of the stream."""
        head = b"" if self._size else _HEADER
        return head + _LAST_BLOCK + _TRAILER.pack(self._crc32, self._size & 0xFFFFFFFF)


def _is_noise(content: memoryview) -> bool:
    """Whether samples of a block do not compress, once their zeros are taken out."""
    step = max(len(content) // _SAMPLES, _SAMPLE_BYTES)
    sample = b"".join(content[start : start + _SAMPLE_BYTES] for start in range(0, len(content), step))
    dense = sample.replace(_SAMPLE_ZEROS, b"")
    if 2 * len(dense) < len(sample):
        return False
    return len(isal_zlib.compress(dense, _LEVEL)) > _NOISE_RATIO * len(dense)


def _noise_parts(block: bytearray, content: memoryview) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = []
    position, size = 0, len(content)
    while (start := block.find(_SHORTEST_RUN, position, size)) >= 0:
        _append_stored(parts, content[position:start])
        position = _run_end(block, start, size)
        parts.append(_deflated_zeros(position - start))
    _append_stored(parts, content[position:])
    return parts


def _append_stored(parts: list[bytes | memoryview], content: memoryview) -> None:
    for start in range(0, len(content), _STORED_BYTES):
        piece = content[start : start + _STORED_BYTES]
        parts += _STORED_HEADER.pack(0, len(piece), len(piece) ^ 0xFFFF), piece


def _run_end(block: bytearray, start: int, size: int) -> int:
    end = start + len(_SHORTEST_RUN)
    while block.startswith(_LONGEST_PIECE, end, size):
        end += len(_LONGEST_PIECE)
    for piece in _PIECES:
        if block.startswith(piece, end, size):
            end += len(piece)
    return end


@lru_cache(maxsize=1024)
def _deflated_zeros(size: int) -> bytes:
    return _deflated(bytes(size))


def _deflated(content: bytes | memoryview) -> bytes:
    """Compressed blocks that end on a byte."""
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE)
    return compressor.compress(content) + compressor.flush(isal_zlib.Z_SYNC_FLUSH)
