"""Downloads of a snapshot: archives that are made of its chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from archives.formats import ArchiveFormat
from archives.tar_stream import Member
from backups.formats.interface import path_errors
from backups.models import Backup
from repository.checkpoint import Checkpoint
from repository.chunked.exporting.export import SnapshotArchive
from repository.chunked.repository import Repository
from vault.models import Asset
from vault.services.repositories import repository_errors, repository_get, snapshot_of


class SnapshotFiles:
    """The files of a snapshot, for a download that is made of them."""

    resumable = True
    verified = True

    def __init__(self, asset: Asset) -> None:
        """Raises ValueError for the asset of an archive."""
        if asset.repository is None:
            raise ValueError("not the asset of a snapshot")
        self._asset = asset
        self._row = asset.repository
        self._repository: Repository | None = None

    def open(self) -> None:
        """Open the repository.

        Raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable, RepositoryUnknownError.
        """
        self._repository = repository_get(self._row)
        with repository_errors():
            self._repository.manifest(snapshot_of(self._asset))

    @contextmanager
    def writing(self, format_: ArchiveFormat, paths: tuple[bytes, ...]) -> Iterator[SnapshotArchive]:
        """The archive of these paths. Raises as `open`, and PathNotFound."""
        repository, snapshot = self._repository or repository_get(self._row), snapshot_of(self._asset)
        with repository_errors(), path_errors():
            yield SnapshotArchive(repository, snapshot=snapshot, paths=paths or None, format=format_)


@contextmanager
def snapshot_members(backup: Backup, *, checkpoint: Checkpoint) -> Iterator[Iterator[Member]]:
    """Everything in a snapshot, as members of an archive. Raises as `SnapshotFiles.open`."""
    asset = Asset.objects.select_related("repository__customer", "repository__target").get(backup=backup)
    if asset.repository is None:
        raise ValueError("not the asset of a snapshot")
    repository, snapshot = repository_get(asset.repository, checkpoint=checkpoint), snapshot_of(asset)
    with repository_errors():
        archive = SnapshotArchive(
            repository, snapshot=snapshot, paths=None, format=ArchiveFormat.TAR_GZ, checkpoint=checkpoint
        )
        with closing(archive.members()) as members:
            yield members
