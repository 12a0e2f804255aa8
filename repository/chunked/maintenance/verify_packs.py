"""Verification of packs: each exists, its directory matches the index, and its chunks open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from repository.chunked.index.damaged import damaged_copies
from repository.chunked.index.table import Table
from repository.chunked.maintenance.chunk_states import ChunkStates
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.verify_report import VerifyReport
from repository.chunked.objects import ID_SIZE, PACKS
from repository.chunked.pack_layout import HEADER_SIZE, Entry, directory_read, header
from repository.chunked.packs.fetching import spans_of
from repository.chunked.repository import Repository
from repository.errors import Damage, RepositoryUnknown
from repository.storage import ObjectNotFound

# This many chunks of doubtful packs are looked up in the index at once.
LOOKED_UP = 100_000


def packs_verify(
    repository: Repository,
    states: ChunkStates,
    tables: Sequence[Table],
    *,
    coverage: Coverage,
    directories: bool,
    report: VerifyReport,
    step: Callable[[int, int], None],
) -> None:
    """Check every pack. Doubtful packs are always read in full, so that the report names exactly what is lost.

    `directories`: open the directory of each pack; a wrong size makes a pack doubtful all the same. `step` is called
    with the number of packs done and the total. Raises `StorageError`.
    """
    packs = _Packs(repository, states, report)
    indexed = {found.pack: found for table in tables for found in table.packs}
    listed = dict(repository.objects.list(PACKS))
    report.packs, report.orphan_packs = len(indexed), len(listed.keys() - indexed.keys())
    doubtful: dict[bytes, int] = {}
    for number, found in enumerate(indexed.values()):
        step(number, len(indexed))
        size = listed.get(found.pack)
        if size is None:
            states.lost.add(found.pack)
            report.damage(PACKS.key(found.pack), "is not there")
            continue
        if size != found.size:
            report.damage(PACKS.key(found.pack), f"has {size} bytes instead of {found.size}")
        entries = packs.directory(found.pack, size, found.chunks) if directories else []
        if entries is None or size != found.size:
            doubtful[found.pack] = found.chunks
        elif directories and coverage.reads(found.pack):
            packs.read(found.pack, entries)
    for group in _groups(doubtful):
        for pack, entries in states.entries(group).items():
            step(len(indexed), len(indexed))
            packs.read(pack, entries)
    packs.recorded_read(indexed.keys() - states.lost - doubtful.keys())


def _groups(chunks: dict[bytes, int]) -> Iterator[frozenset[bytes]]:
    """Groups of packs, each with a bounded number of index entries."""
    group: list[bytes] = []
    held = 0
    for pack, count in chunks.items():
        if group and held + count > LOOKED_UP:
            yield frozenset(group)
            group, held = [], 0
        group.append(pack)
        held += count
    if group:
        yield frozenset(group)


class _Packs:
    """The checks of a single pack."""

    def __init__(self, repository: Repository, states: ChunkStates, report: VerifyReport) -> None:
        self._repository = repository
        self._states = states
        self._report = report

    def directory(self, pack: bytes, size: int, chunks: int) -> list[Entry] | None:
        """The entries of the pack's directory; None if it does not match the index."""
        key = PACKS.key(pack)
        try:
            entries = directory_read(self._repository.objects, pack, size)
        except (Damage, RepositoryUnknown) as error:
            self._report.damage(key, f"its directory cannot be read: {error}")
            return None
        except ObjectNotFound:
            self._states.lost.add(pack)
            self._report.damage(key, "is not there")
            return []
        if len(entries) != chunks or not all(self._states.names(chunk, at) for chunk, at in entries):
            self._report.damage(key, "its directory and the index do not say the same")
            return None
        return entries

    def read(self, pack: bytes, entries: list[Entry]) -> None:
        """Open every chunk of the pack."""
        report, bad = self._report, 0
        for span in spans_of(entries):
            bad += sum(plain is None for _, _, plain in self._states.span_read(span))
            report.bytes_read += span.stop - span.start
        report.packs_read += 1
        report.chunks_read += len(entries)
        if bad:
            report.damage(PACKS.key(pack), f"{bad} of {len(entries)} chunks do not open")
        if self._begin(pack) != header(self._repository.cipher.suite):
            report.damage(PACKS.key(pack), "does not begin as a pack does")

    def recorded_read(self, packs: AbstractSet[bytes]) -> None:
        """Open the copies in these packs that are recorded as damaged: a record may be wrong."""
        recorded = {copy for copy in damaged_copies(self._repository.objects) if copy[:ID_SIZE] in packs}
        located = [found for copy in recorded for found in self._states.copies(copy[ID_SIZE:], copy[:ID_SIZE])]
        for span in spans_of(located):
            for _ in self._states.span_read(span):
                pass

    def _begin(self, pack: bytes) -> bytes:
        try:
            return self._repository.objects.get_raw(PACKS, pack, 0, HEADER_SIZE)
        except (Damage, ObjectNotFound):
            return b""
