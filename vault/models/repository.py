"""Repositories: the deduplicated snapshots of one customer on one target."""

from __future__ import annotations

import uuid

from django.db import models

from accounts.models import Customer
from vault.models.target import StorageTarget


class Repository(models.Model):
    """The repository of one customer on one target. The row exists before the first object is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="repositories")
    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="repositories")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="repository_one_a_tenant_and_target", fields=["customer", "target"]),
        ]

    def __str__(self) -> str:
        return str(self.id)
