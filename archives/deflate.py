"""Deflated data (RFC 1951) written block by block, as fast as each block's content allows.

A compressible block goes through ISA-L. Most game data is compressed already: only the zeros that pad it to whole
sectors can be saved. Finding these zeros takes half the time of a search for matches, and saves as much. Such a block
becomes stored blocks (RFC 1951, 3.2.4) with ready-made compressed runs of zeros between them, which also unpack
faster than noise in Huffman codes. Every part ends on a byte and refers to nothing before it, so the two kinds may
follow each other in any order, and the parts of one stream may be made in any order.
"""

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from isal import isal_zlib

LAST_BLOCK: Final = b"\x03\x00"
"""The end of the data, behind the last part."""

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


def deflate(block: bytearray, start: int, stop: int, *, alike: bool = False) -> bytes:
    """The next part of the data, for the bytes of a block from `start` to `stop`, about 1 MiB. For any thread.

    alike: the same bytes whenever and wherever they are made, which takes longer.
    """
    content = memoryview(block)[start:stop]
    if _is_noise(content, zlib.compress if alike else isal_zlib.compress):
        return b"".join(_noise_parts(block, start, stop))
    return _deflated_alike(content) if alike else _deflated(content)


def _is_noise(content: memoryview, compress: Callable[[bytes, int], bytes]) -> bool:
    """Whether samples of a block do not compress, once their zeros are taken out."""
    step = max(len(content) // _SAMPLES, _SAMPLE_BYTES)
    sample = b"".join(content[start : start + _SAMPLE_BYTES] for start in range(0, len(content), step))
    dense = sample.replace(_SAMPLE_ZEROS, b"")
    if 2 * len(dense) < len(sample):
        return False
    return len(compress(dense, _LEVEL)) > _NOISE_RATIO * len(dense)


def _noise_parts(block: bytearray, position: int, stop: int) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = []
    content = memoryview(block)
    while (start := block.find(_SHORTEST_RUN, position, stop)) >= 0:
        _append_stored(parts, content[position:start])
        position = _run_end(block, start, stop)
        parts.append(_deflated_zeros(position - start))
    _append_stored(parts, content[position:stop])
    return parts


def _append_stored(parts: list[bytes | memoryview], content: memoryview) -> None:
    for start in range(0, len(content), _STORED_BYTES):
        piece = content[start : start + _STORED_BYTES]
        parts += _STORED_HEADER.pack(0, len(piece), len(piece) ^ 0xFFFF), piece


def _run_end(block: bytearray, start: int, stop: int) -> int:
    end = start + len(_SHORTEST_RUN)
    while block.startswith(_LONGEST_PIECE, end, stop):
        end += len(_LONGEST_PIECE)
    for piece in _PIECES:
        if block.startswith(piece, end, stop):
            end += len(piece)
    return end


@lru_cache(maxsize=1024)
def _deflated_zeros(size: int) -> bytes:
    return _deflated_alike(bytes(size))


def _deflated_alike(content: bytes | memoryview) -> bytes:
    """As `_deflated`, by zlib: what ISA-L makes of a block is seldom, but on busy machines at times, not the same."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    return compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH)


def _deflated(content: bytes | memoryview) -> bytes:
    """Compressed blocks that end on a byte."""
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE)
    return compressor.compress(content) + compressor.flush(isal_zlib.Z_SYNC_FLUSH)
