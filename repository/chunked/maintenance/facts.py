"""The facts on which a prune decides, read in an order that makes them reliable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from repository.checkpoint import Checkpoint
from repository.chunked.index.damaged import damaged_copies
from repository.chunked.index.index import Index
from repository.chunked.index.table import Table
from repository.chunked.maintenance.consolidate import IndexPart, index_load
from repository.chunked.maintenance.used import PackUse, UsedChunks, snapshot_use
from repository.chunked.manifest.root import root_load, roots_list
from repository.chunked.marks import FoundMark, marks_list
from repository.chunked.objects import CONDEMNED, ID_SIZE, PACKS, SNAPSHOTS, TOMBSTONES, Objects
from repository.chunked.pack_layout import directory_read
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.repository import Repository
from repository.errors import Damage, ObjectDamaged, PruneRefused, RepositoryUnknown, SnapshotNotFound
from repository.storage import ObjectNotFound, StorageError


@dataclass(frozen=True, slots=True)
class Condemnation:
    """Packs that are about to be deleted, and the time of the decision."""

    name: bytes
    at: datetime
    packs: frozenset[bytes]


@dataclass(slots=True)
class Facts:
    """The state of a repository as a prune sees it.

    `deleted`: snapshots with a tombstone whose root still exists. `listed`: the packs in storage with their sizes.
    `indexed`: the packs that the index names. `orphans`: listed packs that it does not name. `unreadable`: orphans
    whose directory does not open. `missing`: how often a snapshot names a chunk that is in no pack. `damage`:
    objects that could not be read, so that the chunks they name are unknown.
    """

    now: datetime
    marks: list[FoundMark]
    condemnations: list[Condemnation]
    snapshots: list[bytes]
    deleted: list[bytes]
    tombstones: dict[bytes, datetime]
    listed: dict[bytes, int]
    indexed: frozenset[bytes]
    orphans: frozenset[bytes]
    unreadable: frozenset[bytes]
    uses: dict[bytes, PackUse] = field(default_factory=dict)
    missing: int = 0
    damage: str | None = None

    @property
    def condemned(self) -> frozenset[bytes]:
        """All packs of all condemnations."""
        return frozenset().union(*(found.packs for found in self.condemnations))


@dataclass(slots=True)
class Loaded:
    """The index as it was read, a table of the orphans' chunks, and the flags of used chunks."""

    parts: list[IndexPart]
    orphans: Table
    used: UsedChunks
    chunks: ChunkStore


def facts_load(repository: Repository, checkpoint: Checkpoint) -> tuple[Facts, Loaded]:
    """Read the whole state. Raises `PruneRefused` when the storage does not answer.

    Marks are read first: a writer without a visible mark has either listed its snapshot before the snapshots are read,
    or begins after the condemnations that are read here. Snapshots are read before the index, so it names all their
    chunks. The index is read before the packs are listed, so all its packs exist.
    """
    try:
        return _load(repository, checkpoint)
    except StorageError as error:
        raise PruneRefused(f"the storage does not answer, and nothing was deleted: {error}") from error


def _load(repository: Repository, checkpoint: Checkpoint) -> tuple[Facts, Loaded]:
    objects = repository.objects
    now = repository.clock()
    facts = Facts(now, [], [], [], [], {}, {}, frozenset(), frozenset(), frozenset())
    parts: list[IndexPart] = []
    try:
        facts.marks = list(marks_list(objects))
        facts.condemnations = list(_condemnations(objects))
        _snapshots(objects, facts)
        parts = index_load(objects)
    except (Damage, RepositoryUnknown) as error:
        facts.damage = str(error)
    facts.listed = dict(objects.list(PACKS))
    facts.indexed = frozenset(found.pack for part in parts for found in part.table.packs)
    if facts.listed and facts.snapshots and not parts:
        facts.damage = facts.damage or "there are packs and snapshots, but no index; rebuild the index first"
    if facts.damage is None:
        facts.orphans = frozenset(facts.listed) - facts.indexed
    loaded = _open(repository, facts, parts)
    if facts.damage is None:
        _use(repository, facts, loaded, checkpoint)
    return facts, loaded


def _snapshots(objects: Objects, facts: Facts) -> None:
    """Sort snapshots into live and deleted ones; a tombstone that does not open deletes nothing."""
    listed = {name for name, _ in objects.list(SNAPSHOTS)}
    for name, _ in objects.list(TOMBSTONES):
        said = _said_at(objects, name)
        if said is not None:
            facts.tombstones[name] = said
    facts.snapshots = list(roots_list(objects))
    facts.deleted = sorted(listed & facts.tombstones.keys() - set(facts.snapshots))


def _open(repository: Repository, facts: Facts, parts: list[IndexPart]) -> Loaded:
    """Tables with flags; the orphans' chunks are in a table of their own, behind the others."""
    entries, sizes, unreadable = [], {}, set()
    for pack in sorted(facts.orphans):
        try:
            entries += directory_read(repository.objects, pack, facts.listed[pack])
            sizes[pack] = facts.listed[pack]
        except ObjectNotFound:
            facts.listed.pop(pack)
        except (Damage, RepositoryUnknown):
            unreadable.add(pack)
    facts.unreadable = frozenset(unreadable)
    facts.orphans = facts.orphans & facts.listed.keys()
    orphans = Table.build(entries, sizes)
    tables = {part.names[0]: part.table for part in parts}
    damaged = damaged_copies(repository.objects)
    index = Index(repository.objects, tables=tables, condemned=facts.condemned, damaged=damaged)
    index.add((chunk, at) for chunk, at in entries if not any(len(table.positions(chunk)) for table in index.tables))
    used = UsedChunks([*index.tables, orphans], avoided=facts.condemned, damaged=damaged)
    return Loaded(parts, orphans, used, repository.chunks_in(index))


def _use(repository: Repository, facts: Facts, loaded: Loaded, checkpoint: Checkpoint) -> None:
    """Walk every snapshot. One that cannot be read ends the walk: the chunks it names are unknown."""
    for snapshot in facts.snapshots:
        try:
            root = root_load(repository.objects, snapshot)
            snapshot_use(root, loaded.used, loaded.chunks, checkpoint)
        except SnapshotNotFound:
            if _said_at(repository.objects, snapshot) is None:
                facts.damage = f"snapshot {snapshot.hex()} was listed, and is not there"
                return
        except (Damage, RepositoryUnknown) as error:
            facts.damage = f"snapshot {snapshot.hex()}: {error}"
            return
    facts.uses = loaded.used.packs()
    facts.missing = loaded.used.missing


def _condemnations(objects: Objects) -> Iterator[Condemnation]:
    for name, _ in objects.list(CONDEMNED):
        try:
            found = objects.get_map(CONDEMNED, name)
            packs = found["packs"]
            ids = frozenset(packs[at : at + ID_SIZE] for at in range(0, len(packs), ID_SIZE))
            yield Condemnation(name, datetime.fromisoformat(found["at"]), ids)
        except (KeyError, ValueError, TypeError):
            raise ObjectDamaged(f"{CONDEMNED.key(name)} has invalid content") from None


def _said_at(objects: Objects, snapshot: bytes) -> datetime | None:
    """The time of a snapshot's deletion; None when it has no tombstone that opens."""
    try:
        return datetime.fromisoformat(objects.get_map(TOMBSTONES, snapshot)["at"])
    except (ObjectNotFound, Damage, RepositoryUnknown, KeyError, ValueError, TypeError):
        return None
