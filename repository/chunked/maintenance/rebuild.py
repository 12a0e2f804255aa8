"""The rebuild of the index from the directories of the packs."""

from __future__ import annotations

from dataclasses import dataclass, field

from repository.checkpoint import Checkpoint, go_on
from repository.chunked.index.table import Table
from repository.chunked.maintenance.consolidate import ENTRIES_MAX
from repository.chunked.maintenance.exclusive import alone
from repository.chunked.objects import INDEX, PACKS, Objects, id_new
from repository.chunked.pack_layout import Entry, directory_read
from repository.chunked.repository import Repository
from repository.errors import Damage, PruneRefused, RepositoryUnknown
from repository.storage import ObjectNotFound


@dataclass(slots=True)
class RebuildReport:
    """The result of a rebuild. `damaged`: packs whose directory does not open, with reasons; their entries are kept.

    `lost`: packs that the old index names and that are missing. `unreadable`: old index objects that did not open.
    """

    packs: int = 0
    chunks: int = 0
    damaged: dict[bytes, str] = field(default_factory=dict)
    lost: list[bytes] = field(default_factory=list)
    unreadable: dict[bytes, str] = field(default_factory=dict)


def index_rebuild(repository: Repository, *, checkpoint: Checkpoint = go_on) -> RebuildReport:
    """Write a new index from the directories of all packs, then delete the old one.

    The old index stays until all of the new one is stored. Raises `PruneRunning` while a prune is at work,
    `PruneRefused` when the list of packs cannot be right, `Overtaken`, `StorageError`, and any error that `checkpoint`
    raises.
    """
    objects = repository.objects
    report = RebuildReport()
    with alone(repository) as mark:
        # List the old index first: objects that a running writer adds after this stay.
        old = [name for name, _ in objects.list(INDEX)]
        packs = dict(objects.list(PACKS))
        if old and not packs:
            raise PruneRefused("there is an index, but no pack is listed; the index was left as it is")
        report.lost = _lost(objects, old, packs, report)
        build = _Build(objects)
        for pack, size in packs.items():
            checkpoint()
            try:
                build.add(pack, size, directory_read(objects, pack, size))
            except (Damage, RepositoryUnknown) as error:
                report.damaged[pack] = str(error)
            except ObjectNotFound:
                continue
        _keep(objects, old, report, build)
        build.write()
        report.packs, report.chunks = build.packs, build.chunks
        mark.check()
        for name in old:
            objects.delete(INDEX, name)
    return report


class _Build:
    """Collects entries into index objects of at most `ENTRIES_MAX` entries."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._entries: list[Entry] = []
        self._sizes: dict[bytes, int] = {}
        self.packs = 0
        self.chunks = 0

    def add(self, pack: bytes, size: int, entries: list[Entry]) -> None:
        """Add a whole pack."""
        if self._sizes and len(self._entries) + len(entries) > ENTRIES_MAX // 2:
            self.write()
        self._sizes[pack] = size
        self._entries += entries
        self.packs += 1
        self.chunks += len(entries)

    def write(self) -> None:
        """Store the collected entries."""
        if self._sizes:
            self._objects.put(INDEX, id_new(), Table.build(self._entries, self._sizes).encoded())
        self._entries, self._sizes = [], {}


def _tables(objects: Objects, names: list[bytes], report: RebuildReport) -> dict[bytes, Table]:
    """The readable objects of the old index."""
    found: dict[bytes, Table] = {}
    for name in names:
        try:
            found[name] = Table.decode(objects.get(INDEX, name))
        except Damage as error:
            report.unreadable[name] = str(error)
    return found


def _lost(objects: Objects, names: list[bytes], packs: dict[bytes, int], report: RebuildReport) -> list[bytes]:
    """Packs that are indexed but not listed. If one of them exists after all, the list is wrong."""
    indexed = {pack.pack for table in _tables(objects, names, report).values() for pack in table.packs}
    lost = sorted(indexed - packs.keys())
    for pack in lost:
        try:
            objects.storage.size(objects.path(PACKS, pack))
        except ObjectNotFound:
            continue
        raise PruneRefused("the storage does not list packs that are there; the index was left as it is")
    return lost


def _keep(objects: Objects, names: list[bytes], report: RebuildReport, build: _Build) -> None:
    """Keep the old entries of packs with a damaged directory: their chunks may be intact."""
    if not report.damaged:
        return
    kept: set[bytes] = set()
    for table in _tables(objects, names, report).values():
        fresh = {found.pack for found in table.packs if found.pack in report.damaged} - kept
        sizes = {found.pack: found.size for found in table.packs}
        for pack in sorted(fresh):
            build.add(pack, sizes[pack], [(chunk, at) for chunk, at in table if at.pack == pack])
        kept |= fresh
