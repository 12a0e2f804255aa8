"""A compressed tar archive, written as a stream that can begin again at a restart point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple, Protocol

from archives.blocks import BLOCK_BYTES, Buffers, compressed
from archives.deflate import deflate
from archives.formats import ArchiveFormat
from archives.gzip_stream import GzipStream
from archives.points import START, Output, Point
from archives.tar_format import END_OF_ARCHIVE, TarMember, member_header, padding_bytes
from archives.zstd_stream import ZstdStream, zstd_frame

Member = tuple[TarMember, Iterable[memoryview | int]]
"""A member with its content: bytes, and lengths of holes, which become zeros."""

_ZEROS: Final = bytearray(BLOCK_BYTES)


class Stream(Protocol):
    """A compressed stream in parts. `crc32`, `size`: its state, from which another stream can go on."""

    crc32: int
    size: int

    def add(self, content: memoryview, packed: bytes, /) -> bytes:
        """The next part, for content that was compressed already."""
        ...

    def finish(self) -> bytes:
        """The end of the stream."""
        ...


class _Compression(NamedTuple):
    pack: Callable[[bytearray, int], bytes]
    stream: Callable[[int, int], Stream]


_COMPRESSIONS: Final = {
    ArchiveFormat.TAR_GZ: _Compression(lambda block, size: deflate(block, 0, size, alike=True), GzipStream),
    ArchiveFormat.TAR_ZST: _Compression(lambda block, size: zstd_frame(memoryview(block)[:size]), ZstdStream),
}


def tar_write(
    members: Iterable[Member], *, format_: ArchiveFormat, output: Output, start: Point = START, pool: Executor
) -> Iterator[bytes]:
    """Yield the archive from a point on; `members` then begin at its path, and the first content at `content_start`.

    A part of the output is the same whatever came before it. Holds about 6 MiB.
    """
    compression = _COMPRESSIONS[format_]
    buffers = Buffers()

    def pack(block: _Block) -> bytes:
        if block.buffer is _ZEROS:
            return _packed_zeros(format_)
        return compression.pack(block.buffer, block.size)

    stream = compression.stream(start.crc32, start.packed)
    for block, packed in compressed(_Cutter(buffers).blocks(members, start), pack, pool=pool):
        if output.is_due:
            # Readers of Python's standard library know one gzip member alone: the archive is one, from end to end.
            output.point(Point(output.offset, block.path, block.within, crc32=stream.crc32, packed=stream.size))
        yield output.add(stream.add(memoryview(block.buffer)[: block.size], packed), plain=block.size)
        if block.buffer is not _ZEROS:
            buffers.give_back(block.buffer)
    if end := stream.finish():
        yield output.add(end)
    output.finish()


def content_start(member: TarMember, point: Point) -> int:
    """The offset in a member's content at which the archive goes on from a point in that member."""
    return min(max(0, point.within - len(member_header(member))), member.size)


@cache
def _packed_zeros(format_: ArchiveFormat) -> bytes:
    return _COMPRESSIONS[format_].pack(_ZEROS, BLOCK_BYTES)


@dataclass(slots=True)
class _Block:
    """A filled buffer, and the place of its first byte: a member, None behind the last, and an offset in its bytes."""

    buffer: bytearray
    path: bytes | None = None
    within: int = 0
    size: int = 0


class _Cutter:
    """Cuts the bytes of an uncompressed archive into blocks."""

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self._block = _Block(buffers.take())

    def blocks(self, members: Iterable[Member], start: Point) -> Iterator[_Block]:
        """The blocks from a point on."""
        skipped = start.within
        if start.path is not None:
            for member, pieces in members:
                yield from self._member(member, pieces, skipped)
                skipped = 0
        yield from self._put(memoryview(END_OF_ARCHIVE)[skipped:], None, skipped)
        yield self._block

    def _member(self, member: TarMember, pieces: Iterable[memoryview | int], skipped: int) -> Iterator[_Block]:
        """Put a member without its first bytes."""
        header = member_header(member)
        at = skipped
        if at < len(header):
            yield from self._put(memoryview(header)[at:], member.path, at)
            at = len(header)
        for piece in pieces:
            if isinstance(piece, int):
                yield from self._put_zeros(piece, member.path, at)
                at += piece
            else:
                yield from self._put(piece, member.path, at)
                at += len(piece)
        content_end = len(header) + member.size
        if at != max(content_end, skipped):
            raise ValueError("a member's content has another size than its header says")
        yield from self._put_zeros(content_end + padding_bytes(member.size) - at, member.path, at)

    def _put(self, data: memoryview, path: bytes | None, within: int) -> Iterator[_Block]:
        while data:
            yield from self._make_room(path, within)
            block = self._block
            taken = data[: BLOCK_BYTES - block.size]
            block.buffer[block.size : block.size + len(taken)] = taken
            block.size += len(taken)
            within += len(taken)
            data = data[len(taken) :]

    def _put_zeros(self, length: int, path: bytes, within: int) -> Iterator[_Block]:
        while length:
            yield from self._make_room(path, within)
            block = self._block
            if not block.size and length >= BLOCK_BYTES:
                yield _Block(_ZEROS, path, within, BLOCK_BYTES)
                taken = BLOCK_BYTES
            else:
                taken = min(length, BLOCK_BYTES - block.size)
                block.buffer[block.size : block.size + taken] = memoryview(_ZEROS)[:taken]
                block.size += taken
            within += taken
            length -= taken

    def _make_room(self, path: bytes | None, within: int) -> Iterator[_Block]:
        """Begin a block at that place when the current one is full."""
        if self._block.size == BLOCK_BYTES:
            yield self._block
            self._block = _Block(self._buffers.take())
        if not self._block.size:
            self._block.path, self._block.within = path, within
