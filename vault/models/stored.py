"""Stored objects and assets: objects that may be in storage, and files that customers can download."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from accounts.models import Customer
from vault.models.target import StorageTarget


class StoredObject(models.Model):
    """An archive that is, or may be, in storage. The row exists from before the first byte until after the deletion.

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
    """A file that a customer can download.

    size_bytes and sha256 are of the bytes the customer gets; stored_bytes is the size of the object in storage. sealed:
    how this object was stored, even if its target has changed since.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="assets")
    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="assets")
    key = models.CharField(max_length=300)
    sealed = models.BooleanField()
    size_bytes = models.PositiveBigIntegerField()
    stored_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="asset_key_once", fields=["target", "key"]),
            models.CheckConstraint(name="asset_sha256", condition=Q(sha256__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return self.key
