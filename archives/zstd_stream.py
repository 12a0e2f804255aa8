"""Zstandard frames (RFC 8878), one for each block: they unpack as one stream, and can be made in any order."""

import threading
from typing import Final

import zstandard

# Game data is mostly compressed already: a better level takes twice as long for a hundredth.
_LEVEL: Final = 1


class ZstdStream:
    """The bytes of a stream: the results of `compress` or `add` for each block, then that of `finish`. Has no state."""

    def __init__(self, crc32: int = 0, size: int = 0) -> None:
        self.crc32 = crc32
        self.size = size

    def compress(self, block: bytearray, size: int) -> bytes:
        """The next part of the stream, for the first `size` bytes of a block of about 1 MiB."""
        return zstd_frame(memoryview(block)[:size])

    def add(self, content: memoryview, frame: bytes) -> bytes:
        """The next part of the stream, for content that `zstd_frame` has compressed."""
        del content
        return frame

    def finish(self) -> bytes:
        """The end of the stream."""
        return b""


def zstd_frame(content: memoryview) -> bytes:
    """A frame with its size and a checksum. For any thread."""
    return _compressing.compressor.compress(content)


class _Compressing(threading.local):
    """A thread's compressor."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True)


_compressing = _Compressing()
