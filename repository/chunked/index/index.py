"""The whole index of a repository, as it was when it was read, and what was added since."""

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

# Each table costs a search for every new chunk: beyond a few, the small ones are made one.
TABLES_MAX = 8
_TRIES = 5


class Index:
    """Where chunks are. Reading it is safe beside a prune that moves them; any thread may ask."""

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
        """Read condemnations, then the index (the order matters: FORMAT.md), and which copies are damaged.

        An index object that is damaged is left out: whoever writes reads the directories of packs it does not know.
        Raises `ObjectDamaged` for a damaged condemnation, `StorageError`.
        """
        condemned = condemned_packs(objects)
        tables = tables_load(objects, skip_damaged=True)
        return cls(objects, tables=tables, condemned=condemned, damaged=damaged_copies(objects))

    @classmethod
    def for_reading(cls, objects: Objects) -> Index:
        """The index alone: a condemned chunk can be read all the same, and no damage but a chunk's stops a restore.

        What a damaged index object named is found in the packs' own directories; so is, once it is missed, what one
        named that is gone. Raises `StorageError`.
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
        """The best place of a chunk: one that is not known to be damaged, and not condemned, if there is one.

        Raises `ChunkMissing`; an index for reading may look at packs first, and raises `StorageError`.
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

        It may when a copy lies in a pack that is not condemned, and nothing is known to be wrong with that copy.
        """
        return any(not any(self._doubts(chunk, at)) for at in self.places(chunk))

    def spoil(self, chunk: bytes, place: Location) -> None:
        """The copy at that place does not open: from now on no snapshot relies on it."""
        self.damaged.add(place.pack + chunk)

    @property
    def tables(self) -> Sequence[Table]:
        """The tables that were loaded, the small ones made one; without what was added since."""
        return self._tables

    def packs(self) -> dict[bytes, int]:
        """The packs that are indexed, with their sizes."""
        return {found.pack: found.size for table in self._tables for found in table.packs}

    def entries(self) -> Iterator[tuple[bytes, Location]]:
        """Every chunk with every place."""
        yield from self._added.items()
        for table in self._tables:
            yield from table

    def add(self, entries: Iterable[tuple[bytes, Location]]) -> None:
        """Take note of chunks that were stored just now."""
        with self._lock:
            self._added.update(entries)

    def store(self, entries: Iterable[tuple[bytes, Location]], sizes: dict[bytes, int]) -> None:
        """Write an index object for these packs, and know them from then on."""
        table = Table.build(entries, sizes)
        self._objects.put(INDEX, id_new(), table.encoded())
        self.take(table)

    def take(self, table: Table) -> None:
        """Know the chunks of a table too; a seventh of the memory that `add` takes."""
        with self._lock:
            self._tables = _few([*self._tables, table])

    def _best(self, chunk: bytes) -> Location | None:
        places = list(self.places(chunk))
        return min(places, key=lambda at: self._doubts(chunk, at)) if len(places) > 1 else next(iter(places), None)

    def _doubts(self, chunk: bytes, at: Location) -> tuple[bool, bool]:
        """Reasons against a copy, the worse first: it is known to be damaged, its pack is condemned."""
        return bool(self.damaged) and at.pack + chunk in self.damaged, at.pack in self.condemned

    def _packs_search(self) -> None:
        """Take in, once, what the packs that the index does not name say of themselves. Who comes meanwhile waits."""
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
    """Every index object, by its id; one that vanishes while it is read was replaced, so all are listed again.

    Raises `ObjectDamaged` unless these are to be left out, `StorageError`.
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
            continue  # carried out meanwhile
        except (KeyError, TypeError):
            raise ObjectDamaged(f"{CONDEMNED.key(name)} does not hold what it should") from None
    return frozenset(found)


def _few(tables: list[Table]) -> list[Table]:
    """The same chunks in few tables: the largest as they are, the rest as one."""
    if len(tables) <= TABLES_MAX:
        return tables
    tables = sorted(tables, key=len, reverse=True)
    return [*tables[: TABLES_MAX - 1], Table.merge(tables[TABLES_MAX - 1 :])]
