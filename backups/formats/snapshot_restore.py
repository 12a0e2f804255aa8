"""The restore of a snapshot: the sidecar compares its listing with the live files, and is sent what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from backups.errors import PathNotFound, PreviewUnavailable
from backups.formats.interface import Restoring, path_errors
from backups.formats.snapshot_listing import SnapshotFiles, snapshot_listing
from backups.models import Backup
from repository.checkpoint import Checkpoint
from repository.chunked.contents.reading import contents_read, runs_read
from repository.chunked.contents.selection import Selection
from repository.chunked.manifest.stream import Manifest
from repository.chunked.packs.fetching import ChunkStore
from repository.chunked.repository import Repository as OpenRepository
from repository.chunked.restoring.companions import companions_chosen
from sidecar_client.client import ExtractProgress
from sidecar_client.errors import SidecarFailed
from sidecar_client.trees import Contents
from trees.chunk_run import ChunkRun
from vault.models import Asset
from vault.services.repositories import repository_errors, repository_get, snapshot_of
from wire.errors import ErrorCode

RECORDS_A_CHECK = 1000
STEPS_A_CHECK = 32


class OpenSnapshot:
    """The snapshot of a usable backup, open for reading: its repository, chunks and manifest."""

    def __init__(self, repository: OpenRepository, chunks: ChunkStore, manifest: Manifest) -> None:
        self.repository = repository
        self.chunks = chunks
        self.manifest = manifest


def snapshot_open(backup: Backup, *, checkpoint: Checkpoint) -> OpenSnapshot:
    """Open the snapshot of a usable backup. Raises as `repository_get`, and PreviewUnavailable without one."""
    assets = Asset.objects.select_related("repository__customer", "repository__target")
    asset = assets.filter(backup=backup).first()
    if asset is None or asset.repository is None:
        raise PreviewUnavailable
    repository = repository_get(asset.repository, checkpoint=checkpoint)
    with repository_errors():
        chunks = repository.chunks()
        return OpenSnapshot(repository, chunks, repository.manifest(snapshot_of(asset), chunks))


def listing_read(backup: Backup, *, checkpoint: Checkpoint) -> Iterator[bytes]:
    """The listing of a backup's snapshot, in pieces."""
    snapshot = snapshot_open(backup, checkpoint=checkpoint)
    with repository_errors():
        yield from snapshot_listing(snapshot.manifest)


def snapshot_check(restoring: Restoring) -> None:
    """Read the records to restore, and look whether the index has every chunk that they name.

    Raises ArchiveDamagedError, and PathNotFound for a chosen path that the snapshot does not have.
    """
    lease = restoring.lease
    snapshot = snapshot_open(restoring.source, checkpoint=lease.checkpoint)
    with repository_errors(), path_errors():
        selection, _ = _selected(snapshot, restoring.paths)
        missing = set(restoring.paths)
        for count, (record, parts) in enumerate(selection.entries()):
            if count % RECORDS_A_CHECK == 0:
                lease.checkpoint()
            missing.discard(record.path)
            for part in (record, *parts):
                if part.content is not None:
                    snapshot.chunks.located(part.content.chunk_ids())
    if missing:
        raise PathNotFound


def snapshot_extract(restoring: Restoring, *, on_progress: Callable[[ExtractProgress], None]) -> None:
    """Restore the snapshot through the sidecar. Raises the errors of the sidecar's client and of the repository."""
    lease = restoring.lease
    snapshot = snapshot_open(restoring.source, checkpoint=lease.checkpoint)
    with repository_errors(), path_errors():
        selection, paths = _selected(snapshot, restoring.paths)

        def restore(contents: Contents) -> None:
            restoring.client.tree_restore(
                listing=snapshot_listing(snapshot.manifest, selection),
                contents=contents,
                destination=restoring.destination,
                mode=restoring.operation.params["mode"],
                server=restoring.server,
                paths=paths,
                safety=restoring.safety,
                on_progress=on_progress,
                cancelled=lease.interrupted,
            )

        files = _Contents(snapshot, selection, restoring)
        try:
            restore(files.read_runs if restoring.info.takes_chunks else files.read)
        except SidecarFailed as error:
            if not restoring.info.takes_chunks or error.code != ErrorCode.ARCHIVE_DAMAGED:
                raise
            # The sidecar found a wrong byte. Every chunk is checked here now: that names it, or finds a good copy.
            restore(_Contents(snapshot, selection, restoring).read)


def _selected(snapshot: OpenSnapshot, paths: tuple[bytes, ...]) -> tuple[Selection, tuple[bytes, ...]]:
    """The records to restore, and the chosen paths with the companions of each, such as the journal of a database."""
    if not paths:
        return Selection(snapshot.manifest, None), ()
    chosen = tuple(companions_chosen(snapshot.manifest, snapshot.chunks, paths))
    return Selection(snapshot.manifest, chosen), chosen


class _Contents:
    """Reads the files that the sidecar asks for, and reports their bytes as the progress of the restore."""

    def __init__(self, snapshot: OpenSnapshot, selection: Selection, restoring: Restoring) -> None:
        self._snapshot = snapshot
        self._restoring = restoring
        self._lease = restoring.lease
        self._files = SnapshotFiles(snapshot.manifest, selection)
        self._bytes = 0
        self._steps = 0

    def read(self, numbers: Sequence[int]) -> Iterator[memoryview | int]:
        """The pieces of the files with these numbers, one file behind the other."""
        reading = contents_read(
            self._snapshot.repository,
            self._files.find(numbers),
            chunks=self._snapshot.chunks,
            checkpoint=self._checkpoint,
        )
        for _record, pieces in reading:
            for piece in pieces:
                if not isinstance(piece, int):
                    self._restoring.pace(len(piece))
                self._sent(piece if isinstance(piece, int) else len(piece))
                yield piece

    def read_runs(self, numbers: Sequence[int]) -> Iterator[ChunkRun | int]:
        """As `read`, but as runs in sealed payloads, which the sidecar decompresses and checks."""
        reading = runs_read(
            self._snapshot.repository,
            self._files.find(numbers),
            chunks=self._snapshot.chunks,
            checkpoint=self._checkpoint,
        )
        for run in reading:
            if not isinstance(run, int):
                self._restoring.pace(run.length)
            self._sent(run if isinstance(run, int) else run.length)
            yield run

    def _checkpoint(self) -> None:
        """Look at the lease at times: there are many steps, and whoever follows the call looks at it as well."""
        self._steps += 1
        if self._steps % STEPS_A_CHECK == 0:
            self._lease.checkpoint()

    def _sent(self, size: int) -> None:
        self._bytes += size
        self._lease.progress(bytes_done=self._bytes, bytes_total=None, phase="staging")
