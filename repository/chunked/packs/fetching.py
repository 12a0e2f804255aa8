"""Fetches chunks: neighbours in a pack take one read, and a damaged chunk is read from another copy."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

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
    """Group chunks by pack and offset into reads of up to 4 MiB, with gaps of up to 256 KiB between chunks."""
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
    """Yield the stored bytes of each chunk of a span, in order; fewer bytes for a chunk that is cut off or missing.

    A missing pack was pruned since the index was read, or is lost. When the storage cannot read a part of the span,
    each chunk is read by itself. Raises `StorageError`.
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


class _Take(Protocol):
    """Takes a chunk out of its stored form."""

    def __call__(self, stored: memoryview, *, chunk_id: bytes, location: Location) -> bytes: ...


class ChunkStore:
    """Reads and decrypts the chunks of a repository, in any thread. The damage ledger notes each damaged copy."""

    def __init__(self, objects: Objects, cipher: ChunkCipher, index: Index, damage: DamageLedger) -> None:
        self.objects = objects
        self.cipher = cipher
        self.index = index
        self.damage = damage
        self._newest: tuple[frozenset[bytes], Index] | None = None
        self._turn = threading.Lock()

    def find(self, chunk: bytes) -> Location:
        """The best location of a chunk, also if it was moved since the index was read; raises `ChunkMissing`."""
        try:
            return self.index.find(chunk)
        except ChunkMissing:
            return self._index_now().find(chunk)

    def located(self, chunks: Iterable[bytes]) -> list[tuple[bytes, Location]]:
        """Each chunk with its best location; raises `ChunkMissing`."""
        return [(chunk, self.index.find(chunk)) for chunk in chunks]

    def read(self, chunk: bytes) -> bytes:
        """The plain bytes of a chunk; raises `Damage`, `StorageError`."""
        at = self.index.find(chunk)
        span = Span(at.pack, at.offset, at.offset + at.stored_size, [(chunk, at)])
        return next(plain for _, plain in self.read_span(span))

    def read_span(self, span: Span) -> Iterator[tuple[bytes, bytes]]:
        """Yield each chunk of a span with its plain bytes; a damaged chunk is read from another copy.

        Raises `ObjectDamaged`, `ChunkMissing`, `StorageError`.
        """
        for chunk, plain in self.read_each(span):
            if isinstance(plain, Damage):
                raise plain
            yield chunk, plain

    def read_each(self, span: Span, *, unpack: bool = True) -> Iterator[tuple[bytes, bytes | Damage]]:
        """As `read_span`, but a chunk without an intact copy yields its error. Without `unpack`, the payloads as they
        were sealed (`ChunkCipher.payload`). Raises `StorageError`.
        """
        take = self.cipher.open if unpack else self.cipher.payload
        for (chunk, at), stored in zip(span.chunks, span_stored(self.objects, span), strict=True):
            taken: bytes | Damage
            try:
                taken = take(stored, chunk_id=chunk, location=at)
            except Damage as error:
                self._spoil(chunk, at)
                taken = self._elsewhere(chunk, at, error, take)
            yield chunk, taken

    def _elsewhere(self, chunk: bytes, tried: Location, error: Damage, take: _Take) -> bytes | Damage:
        """Read the chunk from another location, including those stored since the index was read."""
        places = dict.fromkeys([*self.index.places(chunk), *self._index_now().places(chunk)])
        for at in places:
            if at == tried:
                continue
            try:
                return take(_stored(self.objects, at), chunk_id=chunk, location=at)
            except Damage:
                self._spoil(chunk, at)
        if not places:
            return ChunkMissing("no pack holds a chunk of the backup")
        return type(error)(f"{PACKS.key(tried.pack)}: {error}")

    def _spoil(self, chunk: bytes, at: Location) -> None:
        self.index.spoil(chunk, at)
        self.damage.note(chunk, at.pack)

    def _index_now(self) -> Index:
        """The current index, cached until its objects change: every chunk of a lost pack asks for it."""
        with self._turn:
            names = frozenset(name for name, _ in self.objects.list(INDEX))
            if self._newest is None or self._newest[0] != names:
                self._newest = names, Index.for_reading(self.objects)
            return self._newest[1]
