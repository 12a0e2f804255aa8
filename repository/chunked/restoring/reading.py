"""Reads a file of a snapshot directly from storage, at any offset, without restoring it."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from blake3 import blake3

from repository.chunked.manifest.records import Record, blocks_in
from repository.chunked.manifest.stream import Manifest
from repository.chunked.packs.fetching import ChunkStore, spans_of
from repository.chunked.repository import Repository
from repository.chunked.restoring.parts import Part, Run, file_parts
from repository.errors import Damage, ManifestInvalid, ObjectDamaged, PathNotFound
from trees.hashes import HASH_SIZE
from trees.source import Kind

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HELD_MAX = 32 << 20
READ_SIZE = 4 << 20
HEAD_BYTES = 64

Fetch = Callable[[list[bytes]], Iterable[tuple[bytes, bytes]]]


def file_open(repository: Repository, *, snapshot: bytes, path: bytes) -> io.RawIOBase:
    """Open a file of a snapshot for reading and seeking; a hard link opens its file.

    A read fetches the chunks of its bytes; up to 32 MiB of chunks are cached. One thread at a time.
    Raises `SnapshotNotFound`, and `PathNotFound` when the path is no file; reads raise `Damage`, `StorageError`.
    """
    chunks = repository.chunks()
    try:
        return file_in(repository.manifest(snapshot, chunks), chunks, path)
    finally:
        repository.damage.settle()


def snapshot_file_head(manifest: Manifest, chunks: ChunkStore, path: bytes) -> bytes | None:
    """The first bytes of a file of a snapshot; None when the path is no file, or is damaged."""
    try:
        with file_in(manifest, chunks, path) as file:
            return file.read(HEAD_BYTES)
    except (PathNotFound, Damage):
        return None


def file_in(manifest: Manifest, chunks: ChunkStore, path: bytes) -> SnapshotFile:
    """As `file_open`, in a manifest and with chunks that are open; the damage found is not recorded."""
    record, parts = _file(manifest, path)
    if record.kind is Kind.HARDLINK:
        record, parts = _file(manifest, record.target or b"")
    if record.kind is not Kind.FILE:
        raise PathNotFound("the snapshot holds no file under that path")
    return SnapshotFile(record.size, file_parts(record, parts), chunks)


class SnapshotFile(io.RawIOBase):
    """One file's bytes."""

    def __init__(self, size: int, parts: list[Part], chunks: ChunkStore) -> None:
        self._size = size
        self._parts = parts
        self._starts = [part.start for part in parts]
        self._chunks = chunks
        self._held: OrderedDict[bytes, bytes] = OrderedDict()
        self._held_bytes = 0
        self._position = 0
        self._part: _PartReading | None = None

    def readable(self) -> bool:
        """Always True."""
        return True

    def seekable(self) -> bool:
        """Always True."""
        return True

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to an offset, which may be beyond the end; raises ValueError for a negative one."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("an offset is not negative")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer; returns fewer bytes at the end of a part of 256 MiB, 0 at the end of the file."""
        if self.closed:
            raise ValueError("the file is closed")
        view = memoryview(buffer).cast("B")
        start = self._position
        if start >= self._size or not view:
            return 0
        part = self._part_at(start)
        stop = min(start + len(view), part.part.stop)
        try:
            part.read(start, stop, view[: stop - start], self._plain)
        finally:
            self._chunks.damage.settle()
        self._position = stop
        return stop - start

    def readall(self) -> bytes:
        """The rest of the file."""
        rest = bytearray(max(0, self._size - self._position))
        filled = 0
        while filled < len(rest):
            filled += self.readinto(memoryview(rest)[filled : filled + READ_SIZE])
        return bytes(rest)

    def _part_at(self, offset: int) -> _PartReading:
        part = self._parts[bisect_right(self._starts, offset) - 1]
        if self._part is None or self._part.part is not part:
            self._part = _PartReading(part)
        return self._part

    def _plain(self, wanted: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield each chunk with its plain bytes: first the cached ones, then the others, fetched together."""
        missing = [chunk for chunk in wanted if chunk not in self._held]
        for chunk in wanted:
            if chunk in self._held:
                self._held.move_to_end(chunk)
                yield chunk, self._held[chunk]
        for span in spans_of(self._chunks.located(missing)):
            for chunk, plain in self._chunks.read_span(span):
                self._hold(chunk, plain)
                yield chunk, plain

    def _hold(self, chunk: bytes, plain: bytes) -> None:
        self._held[chunk] = plain
        self._held_bytes += len(plain)
        while self._held_bytes > HELD_MAX and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._held_bytes -= len(dropped)


class _PartReading:
    """A part of a file, with tables to find offsets in it."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._runs = list(part.content.runs())
        self._begins = list(accumulate((run.length for run in self._runs), initial=part.start))
        self._blocks = list(blocks_in(part.content, part.start, part.stop, part.header))
        self._ends = [end for _, end, _ in self._blocks]
        self._hash_at = list(accumulate((not hole for _, _, hole in self._blocks), initial=0))

    def read(self, start: int, stop: int, view: memoryview, fetch: Fetch) -> None:
        """Fill the view with the bytes from `start` to `stop`, and verify the blocks that lie wholly in it."""
        wanted = self._wanted(start, stop, view)
        for chunk, plain in fetch(list(wanted)):
            for run in wanted[chunk]:
                piece = memoryview(plain)[run.at : run.at + run.length]
                if len(piece) != run.length:
                    raise ManifestInvalid("the manifest names bytes beyond the end of a chunk")
                view[run.offset - start : run.offset - start + run.length] = piece
        self._check(start, stop, view)

    def _wanted(self, start: int, stop: int, view: memoryview) -> dict[bytes, list[Run]]:
        """The runs to copy, by chunk. Holes are filled with zeros here."""
        wanted: dict[bytes, list[Run]] = {}
        for number in range(bisect_right(self._begins, start) - 1, len(self._runs)):
            begin, run = self._begins[number], self._runs[number]
            if begin >= stop:
                break
            low, high = max(begin, start), min(begin + run.length, stop)
            if run.chunk is None:
                view[low - start : high - start] = bytes(high - low)
            else:
                wanted.setdefault(run.chunk, []).append(Run(low, run.offset + low - begin, high - low))
        return wanted

    def _check(self, start: int, stop: int, view: memoryview) -> None:
        for number in range(bisect_right(self._ends, start), len(self._blocks)):
            begin, end, hole = self._blocks[number]
            if end > stop:
                return
            if begin < start or hole:
                continue
            at = self._hash_at[number] * HASH_SIZE
            if blake3(view[begin - start : end - start]).digest() != self.part.content.blocks[at : at + HASH_SIZE]:
                raise ObjectDamaged("a block of a file differs from the bytes read for the backup")


def _file(manifest: Manifest, path: bytes) -> tuple[Record, list[Record]]:
    found = next(manifest.under(path), None)
    if found is None or found[0].path != path:
        raise PathNotFound("the snapshot holds nothing under that path")
    return found
