"""Downloads of a snapshot, or of chosen paths in it, as an archive that is made while it is sent."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from hashlib import sha256
from typing import Any

from django.db import DatabaseError, transaction

from archives.edition import edition
from archives.formats import ArchiveFormat
from archives.points import Points
from backups.formats.download import DownloadChoice
from backups.formats.interface import path_errors
from repository.chunked.exporting.export import ArchiveDiffers, ExportPass, export_open, export_pass
from repository.chunked.repository import Repository as OpenRepository
from vault.errors import StorageUnavailableError
from vault.models import Asset, AssetExport
from vault.services.repositories import repository_errors, repository_get, snapshot_of

log = logging.getLogger(__name__)

EXPORTS_KEPT = 20
"""For each backup, the choices of which size and restart points are remembered: the newest ones."""


class SnapshotContent:
    """An archive of a snapshot, made on the fly.

    The same choice always gives the same bytes. Their size and hash are known once the archive was made whole, and are
    kept; from then on a download resumes at any offset.
    """

    is_made = True
    verified = True

    def __init__(self, asset: Asset, choice: DownloadChoice) -> None:
        self.format = choice.format or ArchiveFormat.TAR_GZ
        self._asset = asset
        self._paths = choice.paths
        self._choice = _choice_hash(choice.paths)
        self._edition = edition(self.format)
        self._repository: OpenRepository | None = None
        self._row = asset.exports.filter(format=self.format, choice=self._choice, edition=self._edition).first()
        self.size = self._row.size_bytes if self._row else None
        self.sha256 = self._row.sha256 if self._row else None
        self.resumable = self._row is not None
        named = f"{asset.key} {self.format} {self._choice} {self._edition}"
        self.etag = sha256(named.encode()).hexdigest()

    def open(self) -> None:
        """Open the repository.

        Raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable, RepositoryUnknownError.
        """
        if self._asset.repository is None:
            raise ValueError("not the asset of a snapshot")
        self._repository = repository_get(self._asset.repository)
        with repository_errors():
            self._repository.manifest(snapshot_of(self._asset))

    def read(self, start: int, stop: int | None) -> Iterator[bytes]:
        """Make the bytes. Raises as `open`, and PathNotFound for a path that the snapshot does not have."""
        if self._repository is None:
            self.open()
        with closing(self._made(start)) as pieces:
            left = None if stop is None else stop - start
            for piece in pieces:
                if left is None:
                    yield piece
                    continue
                if len(piece) >= left:
                    yield piece[:left]
                    return
                left -= len(piece)
                yield piece

    def _made(self, start: int) -> Generator[bytes, None, None]:
        if self._repository is None:
            raise RuntimeError("the snapshot was not opened")
        options: dict[str, Any] = {
            "snapshot": snapshot_of(self._asset),
            "paths": self._paths or None,
            "format": self.format,
        }
        with repository_errors(), path_errors():
            if start or self._row is not None:
                points = Points.decode(bytes(self._row.points)) if self._row is not None else None
                try:
                    yield from export_open(self._repository, start=start, points=points, **options)
                except ArchiveDiffers as error:
                    # The remembered values are wrong and are forgotten; the client sees that this download broke off.
                    self._asset.exports.filter(format=self.format, choice=self._choice, edition=self._edition).delete()
                    raise StorageUnavailableError from error
                return
            making = export_pass(self._repository, **options)
            yield from making
        self._remember(making)

    def _remember(self, making: ExportPass) -> None:
        """Keep size, hash and restart points of a complete pass; a database that is away costs only them."""
        points = making.points
        values = {"size_bytes": points.size, "sha256": points.sha256.hex(), "points": points.encoded()}
        try:
            with transaction.atomic():
                AssetExport.objects.update_or_create(
                    asset=self._asset, format=self.format, choice=self._choice, edition=self._edition, defaults=values
                )
                if self.format is ArchiveFormat.TAR_GZ and not self._choice:
                    Asset.objects.filter(id=self._asset.id).update(size_bytes=points.size, sha256=points.sha256.hex())
                newest = self._asset.exports.order_by("-created_at").values_list("id", flat=True)[:EXPORTS_KEPT]
                self._asset.exports.exclude(id__in=list(newest)).delete()
        except DatabaseError:
            log.warning("size and hash of a download could not be kept", exc_info=True)


def _choice_hash(paths: tuple[bytes, ...]) -> str:
    """Names a choice of paths; empty for everything."""
    return sha256(b"\0".join(sorted(set(paths)))).hexdigest() if paths else ""
