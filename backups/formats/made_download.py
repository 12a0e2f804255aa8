"""Downloads that are made while they are sent: an archive of a backup, or of chosen paths in it."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing
from hashlib import sha256
from typing import Protocol

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from archives.edition import edition
from archives.formats import ArchiveFormat
from archives.passes import CompletePass, Writing, pass_from
from archives.points import ArchiveDiffers, Points
from archives.zip_format import NameTooLong
from backups.formats.download import DownloadChoice
from common.errors import ValidationError
from vault.errors import StorageUnavailableError
from vault.models import Asset, AssetExport

log = logging.getLogger(__name__)

EXPORTS_KEPT = 20
"""For each backup, the choices of which size and restart points are remembered: the newest ones."""


class Files(Protocol):
    """The files that an archive is made of. `resumable`, `verified`: as in `Content`."""

    resumable: bool
    verified: bool

    def open(self) -> None:
        """Raise the reason why the content cannot be read, as far as it shows before the first byte."""
        ...

    def writing(self, format_: ArchiveFormat, paths: tuple[bytes, ...], /) -> AbstractContextManager[Writing]:
        """The archive of these paths, of everything without any. Raises PathNotFound, and as `open` in the block."""
        ...


class MadeContent:
    """An archive that is made on the fly.

    The same choice always gives the same bytes. Their size and hash are known once the archive was made whole, and are
    kept; from then on a download resumes at any offset.
    """

    is_made = True

    def __init__(self, asset: Asset, choice: DownloadChoice, files: Files) -> None:
        self.format = choice.format or ArchiveFormat.TAR_GZ
        self.verified = files.verified
        self._asset = asset
        self._files = files
        self._paths = choice.paths
        self._choice = _choice_hash(choice.paths)
        self._edition = edition(self.format)
        self._is_open = False
        self._row = asset.exports.filter(format=self.format, choice=self._choice, edition=self._edition).first()
        self.size = self._row.size_bytes if self._row else None
        self.sha256 = self._row.sha256 if self._row else None
        self.resumable = files.resumable and self._row is not None
        named = f"{asset.key} {self.format} {self._choice} {self._edition}"
        self.etag = sha256(named.encode()).hexdigest()

    def open(self) -> None:
        """Open what is stored.

        Raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable, RepositoryUnknownError.
        """
        self._files.open()
        self._is_open = True

    def check(self) -> None:
        """Find the chosen paths. Raises as `read`, for what shows before the first byte."""
        self.open()
        if self._paths:
            with self._files.writing(self.format, self._paths):
                pass

    def read(self, start: int, stop: int | None) -> Iterator[bytes]:
        """Make the bytes.

        Raises as `open`, PathNotFound for a path that the backup does not have, FilesUnavailable without a list of
        them, and ValidationError for files that an archive of this format cannot have.
        """
        if not self._is_open:
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
        with self._files.writing(self.format, self._paths) as writing:
            try:
                if start or self._row is not None:
                    points = Points.decode(bytes(self._row.points)) if self._row is not None else None
                    yield from pass_from(writing, start=start, points=points)
                    return
                making = CompletePass(writing)
                yield from making
            except ArchiveDiffers as error:
                # The remembered values are wrong and are forgotten; the client sees that this download broke off.
                self._asset.exports.filter(format=self.format, choice=self._choice, edition=self._edition).delete()
                raise StorageUnavailableError from error
            except NameTooLong as error:
                raise ValidationError(errors={"format": [_("A path is too long for a .zip archive.")]}) from error
        self._remember(making.points)

    def _remember(self, points: Points) -> None:
        """Keep size, hash and restart points of a complete pass; a database that is away costs only them."""
        values = {"size_bytes": points.size, "sha256": points.sha256.hex(), "points": points.encoded()}
        try:
            with transaction.atomic():
                AssetExport.objects.update_or_create(
                    asset=self._asset, format=self.format, choice=self._choice, edition=self._edition, defaults=values
                )
                # The asset of an archive has the size and hash of what is stored.
                is_snapshot = self._asset.repository_id is not None
                if is_snapshot and self.format is ArchiveFormat.TAR_GZ and not self._choice:
                    Asset.objects.filter(id=self._asset.id).update(size_bytes=points.size, sha256=points.sha256.hex())
                newest = self._asset.exports.order_by("-created_at").values_list("id", flat=True)[:EXPORTS_KEPT]
                self._asset.exports.exclude(id__in=list(newest)).delete()
        except DatabaseError:
            log.warning("size and hash of a download could not be kept", exc_info=True)


def _choice_hash(paths: tuple[bytes, ...]) -> str:
    """Names a choice of paths; empty for everything."""
    return sha256(b"\0".join(sorted(set(paths)))).hexdigest() if paths else ""
