"""A zip archive, written as a stream that can begin again at a restart point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from isal import isal_zlib

from archives.blocks import BLOCK_BYTES, Buffers, compressed
from archives.deflate import LAST_BLOCK, deflate
from archives.points import START, ArchiveDiffers, Output, PackedFiles, Point
from archives.zip_format import (
    Stored,
    ZipMember,
    central_header,
    descriptor,
    directory_end,
    local_header,
    written_bytes,
)

Member = tuple[ZipMember, Iterable[memoryview | int]]
"""A member with its content: bytes, and lengths of holes, which become zeros."""

# Members without content take no room in a buffer.
_STEPS_MOST: Final = 1024
_WRONG_SIZE: Final = "a member's content has another size than its header says"
_DIRECTORY_PIECE: Final = 1 << 18


class _Part(NamedTuple):
    """Content of a member in a buffer; the first part comes with the member's header, the last one with its end."""

    member: ZipMember
    begin: int
    start: int
    stop: int


@dataclass(slots=True)
class _Batch:
    """Parts of one or many members in one buffer."""

    buffer: bytearray
    parts: list[_Part] = field(default_factory=list)
    size: int = 0


def zip_write(
    members: Iterable[Member],
    *,
    listed: Iterable[ZipMember],
    output: Output,
    files: PackedFiles,
    start: Point = START,
    pool: Executor,
) -> Iterator[bytes]:
    """Yield the archive from a point on; `members` then begin at its path, and the first content at its `within`.

    `listed` gives all members once more, for the directory. `files` gets each file as it ends; behind a point it has
    all files of the complete archive already, and each is compared: raises `ArchiveDiffers`. Raises `NameTooLong`.
    Holds about 6 MiB.
    """
    if start.path is not None:
        writing = _Writing(output, files, start)
        buffers = Buffers()
        for batch, packed in compressed(_batches(members, buffers, start), _pack, pool=pool):
            yield from writing.batch(batch, packed)
            buffers.give_back(batch.buffer)
        output.point(Point(output.offset, None, files=len(files)))
    yield from _directory(listed, output, files)
    output.finish()


def _batches(members: Iterable[Member], buffers: Buffers, start: Point) -> Iterator[_Batch]:
    """All content in parts: a file is cut at every MiB, whatever came before it."""
    batch, begin = _Batch(buffers.take()), start.within
    for member, pieces in members:
        content = _Content(pieces)
        at, begin = begin, 0
        while True:
            stop = min(at - at % BLOCK_BYTES + BLOCK_BYTES, member.size)
            if stop - at > BLOCK_BYTES - batch.size or len(batch.parts) == _STEPS_MOST:
                yield batch
                batch = _Batch(buffers.take())
            batch.parts.append(_Part(member, at, batch.size, batch.size + stop - at))
            content.fill(memoryview(batch.buffer)[batch.size : batch.size + stop - at])
            batch.size += stop - at
            at = stop
            if at == member.size:
                content.finish()
                break
    yield batch


class _Content:
    """The pieces of a file, taken in other lengths."""

    def __init__(self, pieces: Iterable[memoryview | int]) -> None:
        self._pieces = iter(pieces)
        self._rest: memoryview | int = 0

    def finish(self) -> None:
        """Raise ValueError when there is more content."""
        if self._rest or any(self._pieces):
            raise ValueError(_WRONG_SIZE)

    def fill(self, view: memoryview) -> None:
        """Fill the view; raises ValueError when there is less content."""
        at = 0
        while at < len(view):
            if not self._rest:
                self._rest = next(self._pieces, 0)
                if not self._rest:
                    raise ValueError(_WRONG_SIZE)
            if isinstance(self._rest, int):
                taken = min(self._rest, len(view) - at)
                view[at : at + taken] = bytes(taken)
                self._rest -= taken
            else:
                piece = self._rest[: len(view) - at]
                taken = len(piece)
                view[at : at + taken] = piece
                self._rest = self._rest[taken:]
            at += taken


def _pack(batch: _Batch) -> list[bytes]:
    """The compressed parts of a batch."""
    return [
        deflate(batch.buffer, part.start, part.stop, alike=True) if part.stop > part.start else b""
        for part in batch.parts
    ]


class _Writing:
    """Puts headers, content and descriptors in order."""

    def __init__(self, output: Output, files: PackedFiles, start: Point) -> None:
        self._output = output
        self._files = files
        self._done = start.files
        self._crc32 = start.crc32
        self._packed = start.packed
        self._header_at = start.header_at

    def batch(self, batch: _Batch, packed: list[bytes]) -> Iterator[bytes]:
        """The output for a batch, in pieces that begin with a point if one is due."""
        held: list[bytes] = []
        view = memoryview(batch.buffer)
        for part, content in zip(batch.parts, packed, strict=True):
            if self._output.is_due:
                if held:
                    yield b"".join(held)
                    held = []
                self._point(part)
            held += self._part(part, view[part.start : part.stop], content)
        if held:
            yield b"".join(held)

    def _point(self, part: _Part) -> None:
        unfinished = (self._crc32, self._packed, self._header_at) if part.begin else (0, 0, 0)
        self._output.point(Point(self._output.offset, part.member.path, part.begin, self._done, *unfinished))

    def _part(self, part: _Part, plain: memoryview, content: bytes) -> Iterator[bytes]:
        member, output = part.member, self._output
        if not part.begin:
            self._crc32, self._packed, self._header_at = 0, 0, output.offset
            yield output.add(local_header(member, link_crc32=isal_zlib.crc32(member.link)) + member.link)
        if not member.has_content:
            return
        self._crc32 = isal_zlib.crc32(plain, self._crc32)
        if part.begin + len(plain) == member.size:
            content += LAST_BLOCK
        self._packed += len(content)
        yield output.add(content, plain=len(plain))
        if part.begin + len(plain) == member.size:
            yield output.add(descriptor(member, crc32=self._crc32, packed=self._packed))
            self._end()

    def _end(self) -> None:
        """Note the file that ended, or compare it with the first pass."""
        found = self._crc32, self._packed
        if self._done == len(self._files):
            self._files.add(*found)
        elif self._files[self._done] != found:
            raise ArchiveDiffers("a file in the archive is not that of the first pass")
        self._done += 1


def _directory(members: Iterable[ZipMember], output: Output, files: PackedFiles) -> Iterator[bytes]:
    """The directory and the end of the archive, from the directory's offset on."""
    start, header_at, count, number = output.offset, 0, 0, 0
    held = bytearray()
    for member in members:
        crc32, packed = isal_zlib.crc32(member.link), len(member.link)
        if member.has_content:
            crc32, packed = files[number]
            number += 1
        held += central_header(member, Stored(crc32, packed, header_at))
        header_at += written_bytes(member, packed)
        count += 1
        if len(held) >= _DIRECTORY_PIECE:
            yield output.add(bytes(held))
            held.clear()
    size = output.offset + len(held) - start
    yield output.add(bytes(held) + directory_end(members=count, start=start, size=size))
