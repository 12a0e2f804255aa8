"""Samples of the bytes of an order's backups."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models import Order


class UsageSample(models.Model):
    """The usable backups of an order at an hour.

    logical_bytes: of the files in them. unique_bytes: in storage, used by no other order. stored_bytes: the order's
    share of the storage; each chunk is divided by the snapshots of the customer that use it.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="usage")
    at = models.DateTimeField(_("at"))
    backups = models.PositiveIntegerField(_("backups"))
    logical_bytes = models.PositiveBigIntegerField(_("files"))
    unique_bytes = models.PositiveBigIntegerField(_("used by no other order"))
    stored_bytes = models.PositiveBigIntegerField(_("stored"))

    class Meta:
        verbose_name = _("sample of usage")
        verbose_name_plural = _("samples of usage")
        indexes = [models.Index(fields=["at"], name="usage_sample_at")]
        constraints = [models.UniqueConstraint(name="usage_sample_once", fields=["order", "at"])]

    def __str__(self) -> str:
        return f"{self.order_id} {self.at:%Y-%m-%d %H:%M}"
