"""The whole index of a repository as of the time it was read, with the entries added since."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from repository.chunked.chunks.chunk import Location
from repository.chunked.index.damaged import damaged_copies
from repository.chunked.index.table import Table
from repository.chunked.objects import CONDEMNED, ID_SIZE, INDEX, PACKS, Objects, id_new
from repository.chunked.pack_layout import directory_read
from repository.errors import ChunkMissing, ObjectDamaged, RepositoryUnknown
from repository.storage import ObjectNotFound

# Each table costs a search for every new chunk: small tables beyond this number are merged.
TABLES_MAX = 8
_TRIES = 5


class Index:
    """The places of chunks. Loading is safe while a prune moves chunks; lookups are thread-safe."""

    def __init__(
        self,
        objects: Objects,
        *,
        tables: dict[bytes, Table],
        condemned: frozenset[bytes],
        damaged: Iterable[bytes] = (),
    ) -> None:
        self._objects = objects
        self.names = list(tables)
        self.condemned = condemned
        self.damaged = set(damaged)
        self._tables = _few(list(tables.values()))
        self._added: dict[bytes, Location] = {}
        self._lock = threading.Lock()
        self._searched = threading.Lock()
        self._may_search = False

    @classmethod
    def load(cls, objects: Objects) -> Index:
        """Read condemnations, then the index (FORMAT.md gives the reason for the order), then the damaged copies.

        A damaged index object is left out: a writer reads the directories of packs that the index does not name.
        Raises `ObjectDamaged` for a damaged condemnation, `StorageError`.
        """
        condemned = condemned_packs(objects)
        tables = tables_load(objects, skip_damaged=True)
        return cls(objects, tables=tables, condemned=condemned, damaged=damaged_copies(objects))

    @classmethod
    def for_reading(cls, objects: Objects) -> Index:
        """Read the index alone: a restore can use condemned chunks too, and must not fail on other damage.

        Entries of a damaged index object are found in the directories of the packs; so are those of a missing object,
        at the first lookup that fails. Raises `StorageError`.
        """
        try:
            index = cls(objects, tables=tables_load(objects), condemned=frozenset())
            index._may_search = True
        except ObjectDamaged:
            index = cls(objects, tables=tables_load(objects, skip_damaged=True), condemned=frozenset())
            index._may_search = True
            index._packs_search()
        return index

    def find(self, chunk: bytes) -> Location:
        """The best place of a chunk: preferably one that is not known to be damaged, and not condemned.

        Raises `ChunkMissing`. An index for reading may read directories of packs first, and raise `StorageError`.
        """
        found = self._best(chunk)
        if found is None:
            self._packs_search()
            found = self._best(chunk)
        if found is None:
            raise ChunkMissing("no pack holds a chunk of the backup")
        return found

    def places(self, chunk: bytes) -> Iterator[Location]:
        """Every place of a chunk."""
        added = self._added.get(chunk)
        if added is not None:
            yield added
        for table in self._tables:
            yield from table.find(chunk)

    def reusable(self, chunk: bytes) -> bool:
        """Whether a new snapshot may name the chunk without storing it.

        True if a copy that is not known to be damaged lies in a pack that is not condemned.
        """
        return any(not any(self._doubts(chunk, at)) for at in self.places(chunk))

    def spoil(self, chunk: bytes, place: Location) -> None:
        """Note that the copy at that place does not open: no new snapshot relies on it."""
        self.damaged.add(place.pack + chunk)

    @property
    def tables(self) -> Sequence[Table]:
        """The loaded tables, small ones merged; without the entries added since."""
        return self._tables

    def packs(self) -> dict[bytes, int]:
        """The indexed packs with their sizes."""
        return {found.pack: found.size for table in self._tables for found in table.packs}

    def entries(self) -> Iterator[tuple[bytes, Location]]:
        """Every chunk, once for each of its places."""
        yield from self._added.items()
        for table in self._tables:
            yield from table

    def add(self, entries: Iterable[tuple[bytes, Location]]) -> None:
        """Add chunks that were just stored."""
        with self._lock:
            self._added.update(entries)

    def store(self, entries: Iterable[tuple[bytes, Location]], sizes: dict[bytes, int]) -> None:
        """Write an index object for these packs, and add their chunks."""
        table = Table.build(entries, sizes)
        self._objects.put(INDEX, id_new(), table.encoded())
        self.take(table)

    def take(self, table: Table) -> None:
        """Add the chunks of a table; needs a seventh of the memory of `add`."""
        with self._lock:
            self._tables = _few([*self._tables, table])

    def _best(self, chunk: bytes) -> Location | None:
        places = list(self.places(chunk))
        return min(places, key=lambda at: self._doubts(chunk, at)) if len(places) > 1 else next(iter(places), None)

    def _doubts(self, chunk: bytes, at: Location) -> tuple[bool, bool]:
        """Reasons against a copy, the worse one first: known damage, then a condemned pack."""
        return bool(self.damaged) and at.pack + chunk in self.damaged, at.pack in self.condemned

    def _packs_search(self) -> None:
        """Read, once, the directories of packs that the index does not name. Other threads wait meanwhile."""
        with self._searched:
            if not self._may_search:
                return
            known = self.packs()
            for pack, size in self._objects.list(PACKS):
                if pack not in known:
                    with suppress(ObjectDamaged, RepositoryUnknown, ObjectNotFound):
                        self.add(directory_read(self._objects, pack, size))
            self._may_search = False


def tables_load(objects: Objects, *, skip_damaged: bool = False) -> dict[bytes, Table]:
    """Every index object by its id. An object that vanishes during the read was replaced, so all are listed again.

    Raises `ObjectDamaged`, unless damaged objects are skipped, and `StorageError`.
    """
    for attempt in range(1, _TRIES + 1):
        found = {}
        try:
            for name, _ in objects.list(INDEX):
                try:
                    found[name] = Table.decode(objects.get(INDEX, name))
                except ObjectDamaged:
                    if not skip_damaged:
                        raise
        except ObjectNotFound:
            if attempt == _TRIES:
                raise
        else:
            return found
    raise AssertionError("not reached")


def condemned_packs(objects: Objects) -> frozenset[bytes]:
    """The packs that are about to be deleted."""
    found: set[bytes] = set()
    for name, _ in objects.list(CONDEMNED):
        try:
            packs = objects.get_map(CONDEMNED, name)["packs"]
            found.update(packs[at : at + ID_SIZE] for at in range(0, len(packs), ID_SIZE))
        except ObjectNotFound:
            continue  # deleted since it was listed
        except (KeyError, TypeError):
            raise ObjectDamaged(f"{CONDEMNED.key(name)} has invalid content") from None
    return frozenset(found)


def _few(tables: list[Table]) -> list[Table]:
    """The same chunks in few tables: the largest ones unchanged, the rest merged."""
    if len(tables) <= TABLES_MAX:
        return tables
    tables = sorted(tables, key=len, reverse=True)
    return [*tables[: TABLES_MAX - 1], Table.merge(tables[TABLES_MAX - 1 :])]
