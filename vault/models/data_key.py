"""Keys that seal the objects of a tenant on a target."""

from __future__ import annotations

from django.db import models

from accounts.models import Customer
from vault.models.target import StorageTarget


class DataKey(models.Model):
    """The key of one tenant on one target: 32 random bytes wrapped by the tenant key.

    copied_version: the KEK version that wraps the tenant key in the copy beside the objects, null without a copy.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="data_keys")
    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="data_keys")
    wrapped = models.BinaryField(editable=False)
    copied_version = models.PositiveIntegerField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="data_key_one_a_tenant_and_target", fields=["customer", "target"]),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} on {self.target_id}"
