"""Repacking: used chunks of small or mostly dead packs are copied into new packs, each one verified before."""

from __future__ import annotations

from collections.abc import Iterable

from repository.checkpoint import Checkpoint
from repository.chunked.chunks.chunk import ChunkType
from repository.chunked.index.table import Table
from repository.chunked.maintenance.facts import Facts, Loaded
from repository.chunked.objects import INDEX, PACKS, id_new
from repository.chunked.pack_layout import HEADER_SIZE, Entry, directory_read, header, tail
from repository.chunked.packs.fetching import span_stored, spans_of
from repository.chunked.repository import Repository
from repository.errors import Damage, ObjectDamaged
from repository.storage import ObjectNotFound, StorageFull

MIB = 1 << 20
# Half the size of a snapshot's packs: the index of a million chunks needs the memory.
COPY_SIZE = 16 * MIB
# The copies are indexed after this many bytes, so that an interruption loses little.
SETTLE_BYTES = 512 * MIB


class PackCopier:
    """Copies live chunks into new packs. `settled`: packs of which every live chunk is stored and indexed elsewhere.

    `damaged`: packs that were left alone, with reasons. `full`: the storage has no room left.
    """

    def __init__(self, repository: Repository, facts: Facts, loaded: Loaded) -> None:
        self._repository = repository
        self._facts = facts
        self._used = loaded.used
        self._held: list[bytes] = []
        self._entries: list[Entry] = []
        self._offset = HEADER_SIZE
        self._name = id_new()
        self._stored: list[Entry] = []
        self._sizes: dict[bytes, int] = {}
        self._emptied: set[bytes] = set()
        self.settled: set[bytes] = set()
        self.damaged: dict[bytes, str] = {}
        self.copied = 0
        self.full = False

    def copy(self, packs: Iterable[bytes], *, check: Checkpoint) -> None:
        """Copy the live chunks of these packs; a full storage ends the copying early. Raises other `StorageError`s."""
        uses = self._facts.uses
        try:
            for type_ in ChunkType:
                for pack in sorted(pack for pack in packs if uses[pack].type == type_):
                    check()
                    self._empty(pack)
                self._send()
            self._settle()
        except StorageFull:
            self.full = True

    def _empty(self, pack: bytes) -> None:
        try:
            entries = self._live(pack)
            for span in spans_of(entries):
                stored = memoryview(self._repository.objects.get_raw(PACKS, pack, span.start, span.stop))
                for chunk, at in span.chunks:
                    bytes_ = stored[at.offset - span.start : at.offset - span.start + at.stored_size]
                    self._check((chunk, at), bytes_)
                    self._add((chunk, at), bytes(bytes_))
        except (Damage, ObjectNotFound) as error:
            self.damaged[pack] = str(error)
            return
        self._emptied.add(pack)
        if sum(self._sizes.values()) >= SETTLE_BYTES:
            self._send()
            self._settle()

    def _check(self, entry: Entry, stored: memoryview) -> None:
        chunk, at = entry
        try:
            self._repository.cipher.open(stored, chunk_id=chunk, location=at)
        except Damage:
            self._repository.damage.note(chunk, at.pack)
            raise

    def _live(self, pack: bytes) -> list[Entry]:
        """The live chunks of a pack by its own directory, which must match the index.

        If the directory is damaged, the index alone tells: each chunk proves its place when it is opened.
        """
        try:
            entries = directory_read(self._repository.objects, pack, self._facts.listed[pack])
        except Damage:
            return self._used.live_of(pack)
        live = [(chunk, at) for chunk, at in entries if self._used.live_in(chunk, pack)]
        if len(live) != self._facts.uses[pack].live:
            raise ObjectDamaged(f"{PACKS.key(pack)} and the index do not say the same")
        return live

    def _add(self, entry: Entry, stored: bytes) -> None:
        if self._offset + len(stored) > COPY_SIZE and self._entries:
            self._send()
        chunk, at = entry
        self._entries.append(
            (chunk, type(at)(self._name, self._offset, len(stored), at.plain_size, at.type, at.compression))
        )
        self._held.append(stored)
        self._offset += len(stored)
        self.copied += len(stored)

    def _send(self) -> None:
        """Store the pack that is being filled."""
        if not self._entries:
            return
        objects = self._repository.objects
        end = tail(objects, self._name, self._entries)
        objects.put_raw(PACKS, self._name, [header(self._repository.cipher.suite), *self._held, end])
        self._sizes[self._name] = self._offset + len(end)
        self._stored += self._entries
        self._held, self._entries, self._offset, self._name = [], [], HEADER_SIZE, id_new()

    def _settle(self) -> None:
        """Index the stored copies; from then on their old packs are not needed."""
        if self._sizes:
            self._repository.objects.put(INDEX, id_new(), Table.build(self._stored, self._sizes).encoded())
        self._stored, self._sizes = [], {}
        self.settled |= self._emptied
        self._emptied = set()


def spares_check(repository: Repository, loaded: Loaded, packs: frozenset[bytes]) -> frozenset[bytes]:
    """Of the packs to be deleted, return those that hold a spare copy whose live twin does not open.

    This keeps the last good copy of a chunk from deletion. Raises `StorageError`.
    """
    needed: set[bytes] = set()
    batch: list[tuple[bytes, bytes]] = []
    for spare in loaded.used.spares(packs):
        batch.append(spare)
        if len(batch) == _BATCH:
            needed |= _needed(repository, loaded, batch)
            batch = []
    return frozenset(needed | _needed(repository, loaded, batch))


_BATCH = 4096


def _needed(repository: Repository, loaded: Loaded, spares: list[tuple[bytes, bytes]]) -> set[bytes]:
    twins = {chunk: loaded.used.live_place(chunk) for chunk, _ in spares}
    broken: set[bytes] = set()
    for span in spans_of(twins.items()):
        for (chunk, at), stored in zip(span.chunks, span_stored(repository.objects, span), strict=True):
            try:
                repository.cipher.open(stored, chunk_id=chunk, location=at)
            except Damage:
                repository.damage.note(chunk, at.pack)
                broken.add(chunk)
    return {pack for chunk, pack in spares if chunk in broken}
