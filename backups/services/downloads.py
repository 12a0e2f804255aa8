"""What a customer downloads."""

from __future__ import annotations

from backups.models import Asset
from common.names import name_cut

ENDING = ".tar.gz"
FILENAME_BYTES_MAX = 240
"""File systems take 255; what download managers append while they load has to fit as well."""


def asset_filename(asset: Asset) -> str:
    """The name to save a download under: the backup's own, without what no file system takes, and no longer."""
    name = asset.backup.name if hasattr(asset, "backup") else str(asset.id)
    kept = "".join("_" if letter in '/\\:*?"<>|' else letter for letter in name).strip(". ")
    kept = name_cut(kept, bytes_max=FILENAME_BYTES_MAX - len(ENDING)).rstrip(". ")
    return f"{kept or asset.id}{ENDING}"
