"""Verification of a repository: the damaged objects, and the files of each snapshot that they affect."""

from __future__ import annotations

from collections.abc import Callable

from repository.checkpoint import Checkpoint, go_on
from repository.chunked.index.index import Index
from repository.chunked.index.table import Table
from repository.chunked.maintenance.chunk_states import ChunkStates
from repository.chunked.maintenance.coverage import Coverage
from repository.chunked.maintenance.verify_packs import packs_verify
from repository.chunked.maintenance.verify_report import SnapshotReport, VerifyProgress, VerifyReport
from repository.chunked.maintenance.verify_snapshots import SnapshotVerifier
from repository.chunked.manifest.root import root_load, roots_list
from repository.chunked.objects import INDEX, SNAPSHOTS, Objects
from repository.chunked.repository import Repository
from repository.errors import Damage, RepositoryUnknown, SnapshotNotFound
from repository.storage import ObjectNotFound

# A concurrent prune moves chunks: packs that seem to be missing are checked again.
TRIES = 3


def repository_verify(
    repository: Repository,
    *,
    coverage: Coverage,
    only: frozenset[bytes] | None = None,
    progress: Callable[[VerifyProgress], None] | None = None,
    checkpoint: Checkpoint = go_on,
) -> VerifyReport:
    """Verify the structure, read the data that the coverage asks for, and report; damage raises no error.

    only: the snapshots to verify. Their packs must be there in their size; no directory of a pack is opened, so that
    the cost is that of these snapshots.

    Nothing is changed, except that copies of chunks that do not open are recorded: the next snapshot stores such chunks
    again. The structure is always verified in full: snapshots open; manifests decode, are in order and match their
    hash, as do files; chunks are indexed; packs exist in their size, and their directories match the index; copies that
    are recorded as damaged are read again. Data: each
    chunk of the packs that are read opens and matches its id. `Coverage.contents` also reassembles every file. A file
    is lost when every copy of one of its chunks is known to be damaged.

    Raises `StorageError` when the storage does not answer, which says nothing about the stored data, and any error that
    `checkpoint` raises.
    """
    for attempt in range(1, TRIES + 1):
        verifying = _Verifying(repository, coverage, only, progress, checkpoint)
        report = verifying.run()
        if report.whole or attempt == TRIES or verifying.index_is_there():
            break
    verifying.damage_record()
    left = set(roots_list(repository.objects))
    for gone in [found for found in report.snapshots if found.snapshot not in left]:
        report.snapshots.remove(gone)
        report.damaged.pop(SNAPSHOTS.key(gone.snapshot), None)
    return report


class _Verifying:
    """One pass over the repository."""

    def __init__(
        self,
        repository: Repository,
        coverage: Coverage,
        only: frozenset[bytes] | None,
        progress: Callable[[VerifyProgress], None] | None,
        checkpoint: Checkpoint,
    ) -> None:
        self._repository = repository
        self._coverage = coverage
        self._only = only
        self._progress = progress
        self._checkpoint = checkpoint
        self._report = VerifyReport()
        self._names: list[bytes] = []
        self._states = ChunkStates(repository, [])
        self._snapshots = 0

    def run(self) -> VerifyReport:
        """Verify once. Snapshots are listed before the index is read, so the index names all their chunks."""
        objects, report = self._repository.objects, self._report
        listed = {name for name, _ in objects.list(SNAPSHOTS)}
        snapshots = list(roots_list(objects))
        report.deleted_left = len(listed.difference(snapshots))
        if self._only is not None:
            snapshots = [found for found in snapshots if found in self._only]
        self._snapshots = len(snapshots)
        tables = Index(objects, tables=self._tables(objects), condemned=frozenset()).tables
        states = self._states = ChunkStates(self._repository, tables)
        packs_verify(
            self._repository,
            states,
            tables,
            coverage=self._coverage,
            directories=self._only is None,
            report=report,
            step=self._packs_step,
        )
        verifier = SnapshotVerifier(states, coverage=self._coverage, checkpoint=self._checkpoint)
        for number, snapshot in enumerate(snapshots):
            self._tell(report.packs, report.packs, number)
            report.snapshots.append(self._snapshot(snapshot, verifier))
        self._tell(report.packs, report.packs, len(snapshots))
        return report

    def damage_record(self) -> None:
        """Record the copies that do not open, for every other reader and writer."""
        damage = self._repository.damage
        for chunk, at in self._states.spoiled():
            damage.note(chunk, at.pack)
        damage.settle()

    def index_is_there(self) -> bool:
        """Whether the index that was read is still the one in storage."""
        now = {name for name, _ in self._repository.objects.list(INDEX)}
        return now.issuperset(self._names)

    def _tables(self, objects: Objects) -> dict[bytes, Table]:
        """The readable tables of the index."""
        self._names = [name for name, _ in objects.list(INDEX)]
        found: dict[bytes, Table] = {}
        for name in self._names:
            try:
                found[name] = Table.decode(objects.get(INDEX, name))
            except (Damage, RepositoryUnknown, ObjectNotFound) as error:
                self._report.damage(INDEX.key(name), f"cannot be read; rebuild the index: {error}")
        return found

    def _snapshot(self, snapshot: bytes, verifier: SnapshotVerifier) -> SnapshotReport:
        try:
            return verifier.verify(root_load(self._repository.objects, snapshot))
        except RepositoryUnknown as error:
            return SnapshotReport(snapshot, reason=str(error), later=True)
        except (Damage, SnapshotNotFound) as error:
            self._report.damage(SNAPSHOTS.key(snapshot), str(error))
            return SnapshotReport(snapshot, reason=str(error))

    def _packs_step(self, done: int, total: int) -> None:
        self._checkpoint()
        self._tell(done, total, 0)

    def _tell(self, packs: int, packs_total: int, snapshots: int) -> None:
        if self._progress is not None:
            self._progress(VerifyProgress(packs, packs_total, snapshots, self._snapshots))
