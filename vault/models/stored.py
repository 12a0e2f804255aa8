"""Stored objects and assets: objects that may be in storage, and files that customers can download."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from accounts.models import Customer
from vault.models.repository import Repository
from vault.models.target import StorageTarget


class StoredObject(models.Model):
    """An archive or a snapshot that is, or may be, in storage: its row exists from before the first byte until after
    the deletion. The key of a snapshot is that of its root.

    backup_id is deliberately no foreign key: the row must outlive its backup until the object is deleted. condemned_at:
    the time at which it was marked for deletion; object and manifest are then deleted, with retries. swept_at: the time
    of that deletion; the row stays for a grace, in which a late write can still arrive, and is swept once more.
    """

    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="objects_stored")
    key = models.CharField(max_length=300)
    backup_id = models.UUIDField(db_index=True)
    condemned_at = models.DateTimeField(null=True, db_index=True)
    swept_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="stored_object_key_once", fields=["target", "key"])]

    def __str__(self) -> str:
        return self.key


class Asset(models.Model):
    """The content of a backup in storage, which customers can download: an archive, or the root of a snapshot.

    size_bytes, sha256: of the bytes the customer gets; null for a snapshot whose `.tar.gz` was never made whole.
    stored_bytes: the size of the object in storage. sealed: how this object was stored, even if its target has changed
    since. repository: that of a snapshot, else null.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="assets")
    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="assets")
    key = models.CharField(max_length=300)
    repository = models.ForeignKey(Repository, on_delete=models.RESTRICT, null=True, related_name="assets")
    sealed = models.BooleanField()
    size_bytes = models.PositiveBigIntegerField(null=True)
    stored_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, null=True)  # noqa: DJ001  # null: not known, as the API says
    content_type = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="asset_key_once", fields=["target", "key"]),
            models.CheckConstraint(
                name="asset_measured",
                condition=Q(size_bytes__isnull=False, sha256__regex=r"^[0-9a-f]{64}$")
                | Q(repository__isnull=False, size_bytes__isnull=True, sha256__isnull=True),
            ),
            models.CheckConstraint(name="asset_snapshot_sealed", condition=Q(repository__isnull=True) | Q(sealed=True)),
        ]

    def __str__(self) -> str:
        return self.key

    def measured(self) -> tuple[int, str]:
        """Size and SHA-256 of the bytes the customer gets. Raises ValueError when they are not known."""
        if self.size_bytes is None or self.sha256 is None:
            raise ValueError("the download of this snapshot was never made whole")
        return self.size_bytes, self.sha256
