"""Small files, read one after the other and stored together.

They are read by the thread that walks the tree: reading one takes so little outside of the interpreter that several
threads would only wait for each other. What is long in it, compressing and sealing a bundle, is left to the pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from repository.chunked.chunks.chunk import BLOCK_SIZE, block_hashes
from repository.chunked.manifest.records import Content, FileHash, Record, Xattrs, all_hashes, record_pack
from repository.chunked.snapshots.extents import ExtentList
from trees.source import Kind, Source, SourceEntry, SourceGone

MIB = 1 << 20
BUNDLE_SIZE = MIB
BUNDLE_FILES_MAX = 1024
CHANGED = "changed"

StoreBytes = Callable[[bytes, bytes], bytes]
"""Begins to store a chunk of which the bytes and the block hashes are given; returns its id at once."""


class _Place(NamedTuple):
    """Where in the bundle a file is."""

    offset: int
    length: int
    xattrs: Xattrs
    changed: bool


class Bundle:
    """Files in the order they were added; `records` has theirs once it is closed."""

    def __init__(self, source: Source, store: StoreBytes) -> None:
        self._source = source
        self._store = store
        self._held = bytearray()
        self._files: list[tuple[Record, _Place | str]] = []
        self.records: list[tuple[Record, bytes]] | None = None

    def __len__(self) -> int:
        return len(self._files)

    @property
    def is_full(self) -> bool:
        """Whether it is time to close it."""
        return len(self._held) >= BUNDLE_SIZE or len(self._files) >= BUNDLE_FILES_MAX

    def add(self, entry: SourceEntry, record: Record) -> None:
        """Read a file; `record` is its own, but for what only reading can tell."""
        self._files.append((record, self._read(entry)))

    def close(self) -> None:
        """Store what was read."""
        held = bytes(self._held)
        chunk = self._store(held, block_hashes(memoryview(held))) if held else b""
        view = memoryview(held)
        self.records = [self._record(record, place, chunk, view) for record, place in self._files]

    def _read(self, entry: SourceEntry) -> _Place | str:
        offset = len(self._held)
        try:
            with self._source.open(entry, in_place=False) as file:
                length = 0
                if entry.size:
                    self._held += bytes(entry.size)
                    with memoryview(self._held) as view:
                        length = file.readinto(view[offset:], 0)
                    del self._held[offset + length :]
                return _Place(offset, length, file.xattrs(), length < entry.size or file.changed())
        except SourceGone as error:
            # Where the read failed there may still be a view of the buffer, which cannot shrink then.
            self._held = self._held[:offset]
            return str(error)

    def _record(self, record: Record, place: _Place | str, chunk: bytes, held: memoryview) -> tuple[Record, bytes]:
        if isinstance(place, str):
            lost = skipped(record.path, place)
            return lost, record_pack(lost)
        content = _content(record.size, chunk, held[place.offset : place.offset + place.length], place.offset)
        warning = CHANGED if place.changed else None
        whole = record._replace(content=content, xattrs=place.xattrs, warning=warning)
        return whole, record_pack(whole)


class BundledRun:
    """Neighbours in a bundle that are neighbours in the tree."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._begin = len(bundle)
        self.end = self._begin

    def ready(self) -> bool:
        """Whether the bundle is closed."""
        return self.bundle.records is not None

    def take(self) -> tuple[list[tuple[Record, bytes]], bool]:
        """All their records; closes the bundle."""
        if self.bundle.records is None:
            self.bundle.close()
        return (self.bundle.records or [])[self._begin : self.end], True


def skipped(path: bytes, reason: str | None) -> Record:
    """The record of what could not be read."""
    return Record(Kind.SKIPPED, path, target=(reason or "it could not be read").encode())


def _content(size: int, chunk: bytes, data: memoryview, offset: int) -> Content:
    """A small file's content; what was cut off while it was read is a hole."""
    extents = ExtentList()
    if data:
        extents.add(len(data), chunk, offset)
    extents.add_hole(size - len(data))
    blocks = _blocks(data, size)
    file_hash = FileHash(size)
    file_hash.update(all_hashes(extents.content(blocks), 0, size, 0))
    return extents.content(blocks)._replace(hash=file_hash.digest())


def _blocks(data: memoryview, size: int) -> bytes:
    """The hashes of its blocks; one that ends in a hole is padded, one that is all hole has none."""
    if len(data) < size:
        data = memoryview(bytes(data) + bytes(min(-len(data) % BLOCK_SIZE, size - len(data))))
    return block_hashes(data)
