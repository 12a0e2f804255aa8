"""What a customer downloads."""

from __future__ import annotations

from backups.models import Asset


def asset_filename(asset: Asset) -> str:
    """The name to save a download under: the backup's own, without what no file system takes."""
    name = asset.backup.name if hasattr(asset, "backup") else str(asset.id)
    kept = "".join("_" if letter in '/\\:*?"<>|' else letter for letter in name).strip(". ")
    return f"{kept or asset.id}.tar.gz"
