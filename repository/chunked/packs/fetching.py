"""Fetching chunks: reads of neighbours in a pack are made one, and another copy is tried when one is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from repository.chunked.chunks.chunk import ChunkCipher, Location
from repository.chunked.index.damaged import DamageLedger
from repository.chunked.index.index import Index
from repository.chunked.objects import INDEX, PACKS, Objects
from repository.errors import ChunkMissing, Damage, ObjectDamaged
from repository.storage import ObjectNotFound

MIB = 1 << 20
SPAN_SIZE = 4 * MIB
GAP_SIZE = MIB // 4


@dataclass(slots=True)
class Span:
    """Neighbouring chunks of a pack, read at once."""

    pack: bytes
    start: int
    stop: int
    chunks: list[tuple[bytes, Location]]


def spans_of(located: Iterable[tuple[bytes, Location]]) -> Iterator[Span]:
    """The chunks by pack and offset, in reads of up to 4 MiB that skip up to 256 KiB in between."""
    span: Span | None = None
    for chunk, at in sorted(located, key=lambda found: (found[1].pack, found[1].offset)):
        stop = at.offset + at.stored_size
        near = span is not None and span.pack == at.pack and at.offset - span.stop <= GAP_SIZE
        if span is not None and near and stop - span.start <= SPAN_SIZE:
            span.stop = stop
            span.chunks.append((chunk, at))
            continue
        if span is not None:
            yield span
        span = Span(at.pack, at.offset, stop, [(chunk, at)])
    if span is not None:
        yield span


def span_stored(objects: Objects, span: Span) -> Iterator[memoryview]:
    """The stored bytes of each chunk of a span, in their order; fewer of one that is not there whole.

    A pack may have been pruned since the index was read, or be lost; where a part of it cannot be read, each chunk is
    read by itself. Raises `StorageError`.
    """
    try:
        view = memoryview(objects.get_raw(PACKS, span.pack, span.start, span.stop))
    except ObjectNotFound:
        view = memoryview(b"")
    except ObjectDamaged:
        yield from (_stored(objects, at) for _, at in span.chunks)
        return
    for _, at in span.chunks:
        begin = at.offset - span.start
        yield view[begin : begin + at.stored_size]


def _stored(objects: Objects, at: Location) -> memoryview:
    try:
        return memoryview(objects.get_raw(PACKS, at.pack, at.offset, at.offset + at.stored_size))
    except (ObjectDamaged, ObjectNotFound):
        return memoryview(b"")


class ChunkStore:
    """The chunks of a repository, opened; any thread may read. A copy that does not open goes into the ledger."""

    def __init__(self, objects: Objects, cipher: ChunkCipher, index: Index, damage: DamageLedger) -> None:
        self.objects = objects
        self.cipher = cipher
        self.index = index
        self.damage = damage
        self._newest: tuple[frozenset[bytes], Index] | None = None
        self._turn = threading.Lock()

    def located(self, chunks: Iterable[bytes]) -> list[tuple[bytes, Location]]:
        """Each chunk with its best place; raises `ChunkMissing`."""
        return [(chunk, self.index.find(chunk)) for chunk in chunks]

    def read(self, chunk: bytes) -> bytes:
        """The plain bytes of a chunk; raises `Damage`, `StorageError`."""
        at = self.index.find(chunk)
        span = Span(at.pack, at.offset, at.offset + at.stored_size, [(chunk, at)])
        return next(plain for _, plain in self.read_span(span))

    def read_span(self, span: Span) -> Iterator[tuple[bytes, bytes]]:
        """Each chunk of a span with its plain bytes; one that is damaged there is looked for elsewhere.

        Raises `ObjectDamaged`, `ChunkMissing`, `StorageError`.
        """
        for chunk, plain in self.read_each(span):
            if isinstance(plain, Damage):
                raise plain
            yield chunk, plain

    def read_each(self, span: Span) -> Iterator[tuple[bytes, bytes | Damage]]:
        """As `read_span`, with the error in the place of a chunk that no place has whole. Raises `StorageError`."""
        for (chunk, at), stored in zip(span.chunks, span_stored(self.objects, span), strict=True):
            plain: bytes | Damage
            try:
                plain = self.cipher.open(stored, chunk_id=chunk, location=at)
            except Damage as error:
                self._spoil(chunk, at)
                plain = self._elsewhere(chunk, at, error)
            yield chunk, plain

    def _elsewhere(self, chunk: bytes, tried: Location, error: Damage) -> bytes | Damage:
        """The chunk from another place, also from one that was made since the index was read."""
        places = dict.fromkeys([*self.index.places(chunk), *self._index_now().places(chunk)])
        for at in places:
            if at == tried:
                continue
            try:
                return self.cipher.open(_stored(self.objects, at), chunk_id=chunk, location=at)
            except Damage:
                self._spoil(chunk, at)
        if not places:
            return ChunkMissing("no pack holds a chunk of the backup")
        return type(error)(f"{PACKS.key(tried.pack)}: {error}")

    def _spoil(self, chunk: bytes, at: Location) -> None:
        self.index.spoil(chunk, at)
        self.damage.note(chunk, at.pack)

    def _index_now(self) -> Index:
        """The index as it is now. A lost pack is missed by all its chunks: what did not change is not read again."""
        with self._turn:
            names = frozenset(name for name, _ in self.objects.list(INDEX))
            if self._newest is None or self._newest[0] != names:
                self._newest = names, Index.for_reading(self.objects)
            return self._newest[1]
