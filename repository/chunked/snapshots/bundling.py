"""Bundles: small files, read one after the other and stored in one chunk.

The thread that walks the tree reads them: most of that time is spent in the interpreter, where several threads would
only wait for each other. The pool does the slow work: compressing and sealing a bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from repository.chunked.chunks.chunk import block_hashes
from repository.chunked.manifest.records import Content, Record, Xattrs, all_hashes, record_pack
from repository.chunked.snapshots.extents import ExtentList
from trees.hashes import BLOCK_SIZE, FileHash
from trees.source import Kind, Source, SourceEntry, SourceGone

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
        self._held = bytearray()
        self._files: list[tuple[Record, _Place | str]] = []
        self.records: list[tuple[Record, bytes]] | None = None

    def __len__(self) -> int:
        return len(self._files)

    @property
    def is_full(self) -> bool:
        """Whether the bundle has reached a limit and should be closed."""
        return len(self._held) >= BUNDLE_SIZE or len(self._files) >= BUNDLE_FILES_MAX

    def add(self, entry: SourceEntry, record: Record) -> None:
        """Read a file; `record` lacks its content, attributes and warning."""
        self._files.append((record, self._read(entry)))

    def close(self) -> None:
        """Store the files, and build their records."""
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
            # After a failed read a view of the buffer may be alive, so the buffer cannot shrink.
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
    return Record(Kind.SKIPPED, path, target=(reason or "it could not be read").encode())


def _content(size: int, chunk: bytes, data: memoryview, offset: int) -> Content:
    """A small file's content, with a hole at its end if the file shrank while it was read."""
    extents = ExtentList()
    if data:
        extents.add(len(data), chunk, offset)
    extents.add_hole(size - len(data))
    blocks = _blocks(data, size)
    file_hash = FileHash(size)
    file_hash.update(all_hashes(extents.content(blocks), 0, size, 0))
    return extents.content(blocks)._replace(hash=file_hash.digest())


def _blocks(data: memoryview, size: int) -> bytes:
    """The hashes of the blocks; a block that ends in a hole is padded with zeros, one within a hole has no hash."""
    if len(data) < size:
        data = memoryview(bytes(data) + bytes(min(-len(data) % BLOCK_SIZE, size - len(data))))
    return block_hashes(data)
