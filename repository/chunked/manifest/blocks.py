"""The manifest of a snapshot as blocks to browse, and the manifest's chunks that were read last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from repository.browsing import Item, ItemKind
from repository.chunked.manifest.records import Record, array_at, path_at, record_of, record_offsets
from repository.chunked.manifest.stream import Manifest
from repository.errors import ManifestInvalid
from trees.source import Kind

HELD_MAX = 48 << 20
UNPACKED_MAX = 16
"""Chunks whose records' places are held as well: many snapshots ask for the same path in the same chunk."""

_KINDS = {Kind.FILE: ItemKind.FILE, Kind.FOLDER: ItemKind.FOLDER, Kind.SYMLINK: ItemKind.SYMLINK}
_NO_ENTRIES = frozenset({Kind.PART, Kind.SKIPPED})


class ChunksRead:
    """The plain bytes of up to 48 MiB of chunks that were read last; thread-safe.

    Snapshots share the unchanged chunks of their manifests, so one cache serves all of a repository.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0
        self._blocks: OrderedDict[bytes, ManifestBlock] = OrderedDict()
        self._turn = threading.Lock()

    def get(self, chunk: bytes) -> bytes | None:
        """A chunk that is held."""
        with self._turn:
            plain = self._held.get(chunk)
            if plain is not None:
                self._held.move_to_end(chunk)
            return plain

    def block(self, chunk: bytes, plain: bytes) -> ManifestBlock:
        """The records of a chunk."""
        with self._turn:
            block = self._blocks.pop(chunk, None) or ManifestBlock(plain)
            self._blocks[chunk] = block
            if len(self._blocks) > UNPACKED_MAX:
                self._blocks.popitem(last=False)
            return block

    def put(self, chunk: bytes, plain: bytes) -> None:
        """Hold a chunk, and let go of those not asked for the longest."""
        with self._turn:
            if chunk in self._held:
                return
            self._held[chunk] = plain
            self._bytes += len(plain)
            while self._bytes > HELD_MAX and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= len(dropped)


class ManifestBlock:
    """One chunk of a manifest."""

    def __init__(self, plain: bytes) -> None:
        self._plain = plain

    @cached_property
    def _offsets(self) -> list[int]:
        """Where the records begin, and the last one ends. A page needs few of them, so they are not unpacked here."""
        return record_offsets(self._plain)

    @property
    def rows(self) -> Sequence[Any]:
        """The numbers of its records. Raises `ManifestInvalid`."""
        return range(len(self._offsets) - 1)

    def path(self, row: Any) -> bytes:
        """The path of a record; a part has that of its file. Raises `ManifestInvalid`."""
        return path_at(self._plain, self._offsets[row], self._offsets[row + 1])

    def item(self, row: Any) -> Item | None:
        """A record as an item; None for a part and for a skipped entry. Raises `ManifestInvalid`."""
        array = array_at(self._plain, self._offsets[row], self._offsets[row + 1])
        return None if array[0] in _NO_ENTRIES else _item(record_of(array, b""))

    def may_name(self, needle: bytes) -> bool:
        """Whether a path may contain these bytes."""
        return needle in self._plain.lower()


class ManifestBlocks:
    """The chunks of a manifest, as blocks."""

    def __init__(self, manifest: Manifest, read: ChunksRead) -> None:
        self._manifest = manifest
        self._read = read

    @property
    def firsts(self) -> Sequence[bytes]:
        """The first path of each chunk."""
        return self._manifest.root.firsts

    def read(self, numbers: Sequence[int]) -> Iterator[ManifestBlock]:
        """The chunks of these numbers; those not held are fetched together. Raises `Damage`, `StorageError`."""
        ids = {number: self._manifest.chunk_id(number) for number in numbers}
        held = {chunk: self._read.get(chunk) for chunk in ids.values()}
        missing = [chunk for chunk, plain in held.items() if plain is None]
        for chunk, plain in self._manifest.chunks_read(missing):
            held[chunk] = plain
            self._read.put(chunk, plain)
        for number in numbers:
            found = held[ids[number]]
            if found is None:
                raise ManifestInvalid("a chunk of the manifest was not read")
            yield self._read.block(ids[number], found)

    def identity(self, number: int) -> bytes:
        """The id of a chunk, which names its content."""
        return self._manifest.chunk_id(number)


def _item(record: Record) -> Item:
    if record.kind is Kind.HARDLINK:
        return Item(record.path, ItemKind.FILE, name_of=record.target or b"", is_whole=False)
    if record.stat is None or record.kind not in _KINDS:
        raise ManifestInvalid("the manifest holds an invalid record")
    content = record.content.hash if record.content is not None else None
    return Item(
        record.path,
        _KINDS[record.kind],
        size=record.size,
        mtime_ns=record.stat.mtime_ns,
        mode=record.stat.mode,
        target=record.target or b"",
        content=content or b"",
    )
