"""The bytes that a customer downloads, whatever the format: a stored archive, or one that is made on the fly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from archives.formats import ArchiveFormat
from repository.archive.object_keys import archive_format
from vault.models import Asset
from vault.services.opening import AssetReader, asset_open

CONTENT_TYPES = {
    ArchiveFormat.TAR_GZ: "application/gzip",
    ArchiveFormat.TAR_ZST: "application/zstd",
    ArchiveFormat.ZIP: "application/zip",
}


@dataclass(frozen=True, slots=True)
class DownloadChoice:
    """The part of a download that its address chooses. format: None for the usual one. paths: empty for all."""

    format: ArchiveFormat | None = None
    paths: tuple[bytes, ...] = ()


class Content(Protocol):
    """The bytes of a download.

    size, sha256: None while they are not known: an archive is being made for the first time. etag: the same for the
    same bytes. resumable: whether reading may begin at any offset, at little cost. verified: whether each part is
    checked by itself, not the whole alone. is_made: made on the fly.
    """

    size: int | None
    sha256: str | None
    etag: str
    format: ArchiveFormat
    resumable: bool
    verified: bool
    is_made: bool

    def open(self) -> None:
        """Raise the reason why the bytes cannot be read, as far as it shows before the first one."""
        ...

    def check(self) -> None:
        """As `open`, and raise the reason why the chosen paths cannot be had, without making anything."""
        ...

    def read(self, start: int, stop: int | None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` (None: to the end). Closing the iterator ends the reading."""
        ...


class ArchiveContent:
    """An archive, as it is stored."""

    is_made = False

    def __init__(self, asset: Asset) -> None:
        self.format = archive_format(asset.key)
        size, sha256 = asset.measured()
        self.size: int | None = size
        self.sha256: str | None = sha256
        self.etag = sha256
        self.resumable = False
        self.verified = asset.sealed
        self._asset = asset
        self._reader: AssetReader | None = None

    def open(self) -> None:
        """Check the object in storage. Raises ArchiveDamagedError, StorageUnavailableError, KeyUnavailable."""
        self._reader = asset_open(self._asset)
        self.resumable = self._reader.resumable

    def check(self) -> None:
        """As `open`: a stored archive is sent as a whole."""
        self.open()

    def read(self, start: int, stop: int | None) -> Iterator[bytes]:
        """The unsealed bytes. Raises as `open`."""
        if self._reader is None:
            self.open()
        return self._reader.read(start, stop) if self._reader else iter(())
