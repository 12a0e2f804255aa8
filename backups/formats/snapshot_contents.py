"""Browsing a snapshot: its manifest as blocks, and one file out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from backups.errors import FilesUnavailable
from backups.models import Backup
from repository.browsing import Item
from repository.chunked.manifest.blocks import ManifestBlocks
from repository.chunked.restoring.reading import file_in
from vault.models import Asset, Repository
from vault.services.reading import Reading, repository_reading
from vault.services.repositories import repository_errors, snapshot_of

_PIECE_BYTES = 1 << 20


def snapshots_expect(backups: Sequence[Backup]) -> None:
    """Read the roots of snapshots together, those of one repository at a time.

    Raises as opening one of the repositories does; damage of a single snapshot is told when it is browsed.
    """
    by_repository: dict[Repository, list[Asset]] = {}
    for backup in backups:
        if backup.asset is not None and backup.asset.repository is not None:
            by_repository.setdefault(backup.asset.repository, []).append(backup.asset)
    for repository, assets in by_repository.items():
        repository_reading(repository, assets=assets).manifests_load(map(snapshot_of, assets))


@contextmanager
def snapshot_entries(backup: Backup) -> Iterator[ManifestBlocks]:
    """Open a snapshot for browsing.

    The block raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable, RepositoryUnknownError.
    """
    reading, snapshot = _reading(backup)
    with repository_errors():
        yield reading.blocks(snapshot)


def snapshot_content(backup: Backup, item: Item, *, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of a file of a snapshot from `start` up to `stop`; the chunks of that range alone are read.

    Raises as `snapshot_entries`.
    """
    reading, snapshot = _reading(backup)
    with repository_errors():
        try:
            manifest = reading.manifest(snapshot)
            with file_in(manifest, reading.chunks, item.name_of or item.path) as file:
                file.seek(start)
                while start < stop and (piece := file.read(min(_PIECE_BYTES, stop - start))):
                    start += len(piece)
                    yield piece
        finally:
            reading.repository.damage.settle()


def _reading(backup: Backup) -> tuple[Reading, bytes]:
    asset = backup.asset
    if asset is None or asset.repository is None:
        raise FilesUnavailable
    return repository_reading(asset.repository, assets=[asset]), snapshot_of(asset)
