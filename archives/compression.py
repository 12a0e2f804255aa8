"""The compressions of a tar archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from archives.deflate import deflate
from archives.formats import ArchiveFormat
from archives.gzip_stream import GzipStream
from archives.zstd_stream import ZstdStream, zstd_frame


class Stream(Protocol):
    """A compressed stream in parts. `crc32`, `size`: its state, from which another stream can go on."""

    crc32: int
    size: int

    def compress(self, block: bytearray, size: int, /) -> bytes:
        """The next part, for the first `size` bytes of a block of about 1 MiB."""
        ...

    def add(self, content: memoryview, packed: bytes, /) -> bytes:
        """The next part, for content that was compressed already."""
        ...

    def finish(self) -> bytes:
        """The end of the stream."""
        ...


class Compression(NamedTuple):
    """`pack` compresses the first bytes of a block, for any thread; `stream` goes on from a CRC-32 and a size."""

    pack: Callable[[bytearray, int], bytes]
    stream: Callable[[int, int], Stream]


COMPRESSIONS: Final = {
    ArchiveFormat.TAR_GZ: Compression(lambda block, size: deflate(block, 0, size, alike=True), GzipStream),
    ArchiveFormat.TAR_ZST: Compression(lambda block, size: zstd_frame(memoryview(block)[:size]), ZstdStream),
}


def stream_begin(format_: ArchiveFormat) -> Stream:
    """The compressed stream of a new tar archive, for a caller that has its own blocks. Raises KeyError for a zip."""
    return COMPRESSIONS[format_].stream(0, 0)
