"""A gzip member (RFC 1952), written block by block."""

import struct
from typing import Final

from isal import isal_zlib

from archives.deflate import LAST_BLOCK, deflate

# Deflate, no flags, no time (the same tree gives the same bytes), fastest, unknown system.
_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_TRAILER: Final = struct.Struct("<II")


class GzipStream:
    """The bytes of one gzip member: the results of `compress` or `add` for each block, then that of `finish`.

    `crc32`, `size`: of the content so far. A stream with those of another goes on where that one was.
    """

    def __init__(self, crc32: int = 0, size: int = 0) -> None:
        self.crc32 = crc32
        self.size = size

    def compress(self, block: bytearray, size: int) -> bytes:
        """The next part of the stream, for the first `size` bytes of a block of about 1 MiB."""
        return self.add(memoryview(block)[:size], deflate(block, 0, size))

    def add(self, content: memoryview, deflated: bytes) -> bytes:
        """The next part of the stream, for content that `deflate` has compressed."""
        is_first = not self.size
        self.crc32 = isal_zlib.crc32(content, self.crc32)
        self.size += len(content)
        return _HEADER + deflated if is_first else deflated

    def finish(self) -> bytes:
        """The end of the stream."""
        head = b"" if self.size else _HEADER
        return head + LAST_BLOCK + _TRAILER.pack(self.crc32, self.size & 0xFFFFFFFF)
