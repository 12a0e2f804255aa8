"""The manifest as a stream of records cut into chunks, so that unchanged parts are stored once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from blake3 import blake3

from repository.chunked.chunks.chunk import ChunkType
from repository.chunked.manifest.records import (
    CHUNK_ID_SIZE,
    PART_SIZE,
    Record,
    arrays_unpack,
    content_check,
    parts_of,
    record_of,
    records_unpack,
)
from repository.chunked.manifest.root import SnapshotRoot
from repository.chunked.packs.fetching import ChunkStore, spans_of
from repository.errors import Damage, ManifestInvalid
from trees.paths import walk_order
from trees.source import Kind
from trees.trust import Stat, Trust

KIB = 1 << 10
CUT_LEAST = 32 * KIB
CUT_AVERAGE = 64 * KIB
CUT_MOST = 4 << 20
# This many chunks of a manifest are fetched together. A search for one path begins with one chunk, then four, …
READ_AHEAD = 64
READ_AHEAD_GROWTH = 4


class ManifestWriter:
    """Cuts records into chunks and passes them to `store`, which returns their ids.

    A cut depends only on the path and length of a record: equal records are cut at equal places.
    """

    def __init__(self, store: Callable[[ChunkType, memoryview], bytes]) -> None:
        self._store = store
        self._held = bytearray()
        self._first = b""
        self._hash = blake3()
        self.ids = bytearray()
        self.firsts: list[bytes] = []

    def add(self, path: bytes, raw: bytes) -> None:
        """Add the next record."""
        if len(self._held) + len(raw) > CUT_MOST:
            self._cut()
        if not self._held:
            self._first = path
        self._held += raw
        if len(self._held) >= CUT_LEAST and _is_cut(path, len(raw)):
            self._cut()

    def finish(self) -> bytes:
        """Store the last chunk; returns the hash of all the manifest's bytes."""
        self._cut()
        return self._hash.digest()

    def _cut(self) -> None:
        if self._held:
            self._hash.update(self._held)
            self.ids += self._store(ChunkType.MANIFEST, memoryview(bytes(self._held)))
            self.firsts.append(self._first)
            self._held = bytearray()


def _is_cut(path: bytes, length: int) -> bool:
    """Whether a record ends a chunk; the chance grows with its length, so that long records do not make long chunks."""
    drawn = int.from_bytes(blake3(path).digest(4), "big")
    return drawn * CUT_AVERAGE < length << 32


class RawEntry(NamedTuple):
    """An entry as stored in the manifest, for callers that only compare or copy it."""

    array: tuple[Any, ...]
    raw: bytes
    parts: list[tuple[tuple[Any, ...], bytes]]

    def checked(self) -> tuple[Record, list[Record]]:
        """The record and its parts, checked to fit together; raises `ManifestInvalid`."""
        parts = [record_of(array, raw) for array, raw in self.parts]
        return record_whole(record_of(self.array, self.raw), parts), parts

    def is_unchanged_file(self, trust: Trust, *, found: Stat | None, size: int) -> bool:
        """As `is_unchanged`, for a file with an unchecked record. Raises IndexError, TypeError."""
        array = self.array
        if not trust.holds(array[2][:6], found) or array[3] != size:
            return False
        return array[6] is None and all(part[4] is None for part, _ in self.parts)


class Manifest:
    """The records of a snapshot, read on demand."""

    def __init__(self, root: SnapshotRoot, chunks: ChunkStore) -> None:
        self.root = root
        self._chunks = chunks
        # The ids of the chunks are keyed hashes of their content: content that was checked once stays right.
        self._checked = False

    def records(self, *, first: int = 0, ahead: int = READ_AHEAD) -> Iterator[Record]:
        """The records in order, from the manifest's chunk number `first` on; `ahead` chunks are fetched at first.

        Raises `ManifestInvalid` for content that no writer of this project produces, `Damage`, `StorageError`.
        """
        before: tuple[bytes, int] | None = None
        for plain in self._plain(first, ahead):
            for record in records_unpack(plain):
                place = (walk_order(record.path), record.number)
                if before is not None and place <= before:
                    raise ManifestInvalid("the manifest is not in order")
                before = place
                yield record

    def raw_entries(self) -> Iterator[RawEntry]:
        """Every record except parts, with its parts, unchecked.

        A chunk that does not open loses its entries and the entry before it, of which it may hold parts. Raises
        `ManifestInvalid`, `StorageError`.
        """
        now: RawEntry | None = None
        for plain in self._opened(0, READ_AHEAD):
            if isinstance(plain, Damage):
                now = None
                continue
            for array, raw in arrays_unpack(plain):
                if array[0] != Kind.PART:
                    if now is not None:
                        yield now
                    now = RawEntry(array, raw, [])
                elif now is not None:
                    now.parts.append((array, raw))
        if now is not None:
            yield now

    def files(self, *, first: int = 0, ahead: int = READ_AHEAD) -> Iterator[tuple[Record, list[Record]]]:
        """Every record except parts, with its parts, all checked to fit together; a second pass does not check anew.

        The arguments and errors are those of `records`.
        """
        if self._checked:
            yield from self._files_checked(first, ahead)
            return
        entry: Record | None = None
        parts: list[Record] = []
        for record in self.records(first=first, ahead=ahead):
            if record.kind is Kind.PART:
                if entry is None and first:
                    continue  # a part of a file from the chunk before
                parts.append(record)
                continue
            if entry is not None:
                yield record_whole(entry, parts), parts
            entry, parts = record, []
        if entry is not None:
            yield record_whole(entry, parts), parts
        self._checked = first == 0

    def _files_checked(self, first: int, ahead: int) -> Iterator[tuple[Record, list[Record]]]:
        """As `files`, of a manifest of which every record is known to be right."""
        entry: Record | None = None
        parts: list[Record] = []
        for plain in self._plain(first, ahead):
            for record in records_unpack(plain, checked=True):
                if record.kind is Kind.PART:
                    parts.append(record)  # without an entry, those of a file from the chunk before
                    continue
                if entry is not None:
                    yield entry, parts
                entry, parts = record, []
        if entry is not None:
            yield entry, parts

    def under(self, path: bytes) -> Iterator[tuple[Record, list[Record]]]:
        """The record of that path and all records below it, without reading the whole manifest."""
        below = path + b"/" if path else b""
        for record, parts in self.beginning_at(path):
            if record.path != path and not record.path.startswith(below):
                return
            yield record, parts

    def beginning_at(self, path: bytes) -> Iterator[tuple[Record, list[Record]]]:
        """The record of that path and all records behind it, without reading those before it."""
        key = walk_order(path)
        for record, parts in self.files(first=self._chunk_of(path), ahead=1):
            if walk_order(record.path) >= key:
                yield record, parts

    def chunk_ids(self) -> Iterator[bytes]:
        """The ids of the manifest's own chunks."""
        ids = self.root.chunks
        return (ids[at : at + CHUNK_ID_SIZE] for at in range(0, len(ids), CHUNK_ID_SIZE))

    def chunk_id(self, number: int) -> bytes:
        """The id of one of them."""
        return self.root.chunks[number * CHUNK_ID_SIZE : (number + 1) * CHUNK_ID_SIZE]

    def chunks_read(self, chunks: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """The plain bytes of some chunks, neighbours in one read, in any order. Raises `Damage`, `StorageError`."""
        try:
            for span in spans_of(self._chunks.located(dict.fromkeys(chunks))):
                yield from self._chunks.read_span(span)
        finally:
            self._chunks.damage.settle()

    def _chunk_of(self, path: bytes) -> int:
        """The number of the chunk in which the record of a path would be."""
        position = bisect_right(self.root.firsts, walk_order(path), key=walk_order) - 1
        # A chunk may begin with parts of a file whose record is in an earlier chunk.
        while position > 0 and self.root.firsts[position] == path:
            position -= 1
        return max(0, position)

    def _plain(self, first: int, ahead: int) -> Iterator[bytes]:
        for plain in self._opened(first, ahead):
            if isinstance(plain, Damage):
                raise plain
            yield plain

    def _opened(self, first: int, ahead: int) -> Iterator[bytes | Damage]:
        """The chunks of the manifest, with an error in place of each one that does not open.

        The chunks of one batch are all opened, and their damage recorded, before the first one is yielded.
        """
        ids = list(self.chunk_ids())
        while first < len(ids):
            window = ids[first : first + ahead]
            first, ahead = first + ahead, min(ahead * READ_AHEAD_GROWTH, READ_AHEAD)
            found: dict[bytes, bytes | Damage] = {}
            for span in spans_of(self._chunks.located(dict.fromkeys(window))):
                found.update(self._chunks.read_each(span))
            for chunk in window:
                yield found[chunk]


def is_unchanged(record: Record, parts: list[Record], trust: Trust, *, found: Stat, size: int) -> bool:
    """Whether a file still matches its record and parts: it was stable when read, and is unmodified since."""
    whole = all(part.warning is None for part in (record, *parts))
    return whole and record.size == size and trust.holds(record.stat, found)


def record_whole(entry: Record, parts: list[Record]) -> Record:
    """The record itself, once it and its parts are known to fit together."""
    if entry.kind is not Kind.FILE:
        if parts:
            raise ManifestInvalid("the manifest holds parts without their file")
        return entry
    if not parts and entry.size <= PART_SIZE and entry.content is not None:  # as most files are
        content_check(entry.content, start=0, stop=entry.size, header=entry.header)
        return entry
    contents = [entry, *parts]
    if entry.size > PART_SIZE * len(contents) + entry.header:
        raise ManifestInvalid("the manifest lacks a part of a file")
    spans = parts_of(entry.size, entry.header)
    if [part.number for part in contents] != list(range(len(spans))) or any(p.path != entry.path for p in parts):
        raise ManifestInvalid("the manifest lacks a part of a file")
    for part, (start, stop) in zip(contents, spans, strict=True):
        if part.content is None:
            raise ManifestInvalid("the manifest lacks a part of a file")
        content_check(part.content, start=start, stop=stop, header=entry.header)
    return entry
