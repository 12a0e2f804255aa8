"""Bundles: small files, read one after the other and stored in one chunk.

The thread that walks the tree reads them: most of that time is spent in the interpreter, where several threads would
only wait for each other. The pool does the slow work: compressing and sealing a bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from repository.chunked.chunks.chunk import block_hashes
from repository.chunked.manifest.records import Content, Record, Xattrs, all_hashes, path_check, record_pack
from repository.chunked.snapshots.cutting_rules import BUNDLED_SIZE_MAX
from repository.chunked.snapshots.extents import ExtentList
from trees.hashes import BLOCK_SIZE, file_hash
from trees.source import Kind, Left, Source, SourceEntry, SourceGone

MIB = 1 << 20
BUNDLE_SIZE = MIB
BUNDLE_FILES_MAX = 1024
CHANGED = "changed"

StoreBytes = Callable[[bytes, bytes], bytes]
"""Given the bytes of a chunk and its block hashes, start to store it, and return its id at once."""


class _Place(NamedTuple):
    """The place of a file in its bundle."""

    offset: int
    length: int
    xattrs: Xattrs
    changed: bool


class Bundle:
    """A bundle of files, in the order of `add`. `records`: their records after `close`, None before."""

    def __init__(self, source: Source, store: StoreBytes) -> None:
        self._source = source
        self._store = store
        # The last file may begin just below the limit. Pages that no file reaches are never touched.
        self._held = memoryview(bytearray(BUNDLE_SIZE + BUNDLED_SIZE_MAX))
        self._fill = 0
        self._files: list[tuple[SourceEntry, _Place | str]] = []
        self.records: list[tuple[Record, bytes]] | None = None

    def __len__(self) -> int:
        return len(self._files) if self.records is None else len(self.records)

    @property
    def is_full(self) -> bool:
        """Whether the bundle has reached a limit and should be closed."""
        return self._fill >= BUNDLE_SIZE or len(self._files) >= BUNDLE_FILES_MAX

    def add(self, entry: SourceEntry) -> None:
        """Read a file of up to `BUNDLED_SIZE_MAX` bytes."""
        path_check(entry.path)
        self._files.append((entry, self._read(entry)))

    def close(self) -> None:
        """Store the files, and build their records."""
        held = bytes(self._held[: self._fill])
        chunk = self._store(held, block_hashes(memoryview(held))) if held else b""
        view = memoryview(held)
        self.records = [_record(entry, place, chunk, view) for entry, place in self._files]
        self._held, self._files = memoryview(b""), []

    def _read(self, entry: SourceEntry) -> _Place | str:
        offset, size = self._fill, entry.size
        try:
            with self._source.open(entry, in_place=False) as file:
                length = file.readinto(self._held[offset : offset + size], 0) if size else 0
                place = _Place(offset, length, file.xattrs(), length < size or file.changed())
        except SourceGone as error:
            return str(error)
        self._fill = offset + length
        return place


class BundledRun:
    """Consecutive files of a bundle that are consecutive in the tree, too."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._begin = len(bundle)
        self.end = self._begin

    def ready(self) -> bool:
        """Whether the bundle is closed."""
        return self.bundle.records is not None

    def take(self) -> tuple[list[tuple[Record, bytes]], bool]:
        """All records of the run; closes the bundle."""
        if self.bundle.records is None:
            self.bundle.close()
        return (self.bundle.records or [])[self._begin : self.end], True


def skipped(path: bytes, reason: str | None) -> Record:
    """The record of an entry that could not be read."""
    return Record(Kind.SKIPPED, path, target=(reason or Left.UNREADABLE).encode())


def _record(entry: SourceEntry, place: _Place | str, chunk: bytes, held: memoryview) -> tuple[Record, bytes]:
    if isinstance(place, str):
        record = skipped(entry.path, place)
    else:
        offset, length, xattrs, is_changed = place
        content = _content(entry.size, chunk, held[offset : offset + length], offset)
        warning = CHANGED if is_changed else None
        record = Record(Kind.FILE, entry.path, entry.stat, xattrs, entry.size, 0, content, warning)
    return record, record_pack(record)


def _content(size: int, chunk: bytes, data: memoryview, offset: int) -> Content:
    """A small file's content, with a hole at its end if the file shrank while it was read."""
    if len(data) == size > 0:  # as nearly all are
        blocks = block_hashes(data)
        return Content(chunk, (size, 0, offset), blocks, file_hash(size, blocks))
    extents = ExtentList()
    if data:
        extents.add(len(data), chunk, offset)
    extents.add_hole(size - len(data))
    content = extents.content(_blocks(data, size))
    return content._replace(hash=file_hash(size, all_hashes(content, 0, size, 0)))


def _blocks(data: memoryview, size: int) -> bytes:
    """The hashes of the blocks; a block that ends in a hole is padded with zeros, one within a hole has no hash."""
    if len(data) < size:
        data = memoryview(bytes(data) + bytes(min(-len(data) % BLOCK_SIZE, size - len(data))))
    return block_hashes(data)
