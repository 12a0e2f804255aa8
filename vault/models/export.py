"""Downloads that are made on the fly: their size, hash and restart points after a first complete pass."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from vault.models.stored import Asset


class AssetExport(models.Model):
    """An archive of a backup, or of chosen paths in it, as it was once made whole; its bytes are stored nowhere.

    choice: SHA-256 of the chosen paths, empty for all. edition: the version of the bytes (`archives.formats`). points:
    where they can be made again from (`archives.points`).
    """

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="exports")
    format = models.CharField(max_length=16)
    choice = models.CharField(max_length=64, blank=True)
    edition = models.CharField(max_length=100)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    points = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="asset_export_once", fields=["asset", "format", "choice", "edition"]),
            models.CheckConstraint(name="asset_export_sha256", condition=Q(sha256__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return f"{self.format} of {self.asset_id}"
