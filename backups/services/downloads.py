"""What a customer downloads."""

from __future__ import annotations

from collections.abc import Iterator

from backups.errors import ArchiveDamagedError
from backups.models import Asset
from backups.services.archives import asset_open
from backups.services.damage import damage_noted


def asset_filename(asset: Asset) -> str:
    """The name to save a download under: the backup's own, without what no file system takes."""
    name = asset.backup.name if hasattr(asset, "backup") else str(asset.id)
    kept = "".join("_" if letter in '/\\:*?"<>|' else letter for letter in name).strip(". ")
    return f"{kept or asset.id}.tar.gz"


def asset_bytes(asset: Asset, *, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of a backup's asset from `start` up to `stop`; damage that is met is noted on the backup.

    A part of a plain archive that is known to be damaged is refused: nothing else would tell whoever puts parts
    together. Raises what `asset_open` and `AssetReader.read` do.
    """
    with damage_noted(asset.backup):
        if asset.backup.degraded and not asset.sealed and (start, stop) != (0, asset.size_bytes):
            raise ArchiveDamagedError
        yield from asset_open(asset).read(start, stop)


def asset_check(asset: Asset) -> None:
    """Raise what keeps an asset from being read, as far as that shows before the first byte."""
    with damage_noted(asset.backup):
        asset_open(asset)
