"""Repositories: the deduplicated snapshots of one customer on one target."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from vault.models.target import StorageTarget


class Repository(models.Model):
    """The repository of one customer on one target. The row exists before the first object is stored.

    shares_read: how many daily shares of its data were read by verifications. The sizes in bytes are those of the last
    sample, at `sampled_at`: files of all snapshots, distinct content of them, objects in storage, and the part of those
    that no snapshot uses.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="repositories")
    target = models.ForeignKey(StorageTarget, on_delete=models.RESTRICT, related_name="repositories")
    shares_read = models.PositiveBigIntegerField(default=0)
    sampled_at = models.DateTimeField(_("sampled"), null=True)
    logical_bytes = models.PositiveBigIntegerField(_("files"), default=0)
    distinct_bytes = models.PositiveBigIntegerField(_("distinct content"), default=0)
    stored_bytes = models.PositiveBigIntegerField(_("stored"), default=0)
    unused_bytes = models.PositiveBigIntegerField(_("unused"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("repository")
        verbose_name_plural = _("repositories")
        constraints = [
            models.UniqueConstraint(name="repository_one_a_tenant_and_target", fields=["customer", "target"]),
        ]

    def __str__(self) -> str:
        return str(self.id)
