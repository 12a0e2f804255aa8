"""Reductions: plans that keep less than before."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order


class PlanReduction(models.Model):
    """An order whose plan keeps fewer backups, or keeps them for a shorter time, than it did.

    backup_limit, retention: those before the change, which hold for existing backups until `takes_effect_at`. told_at:
    when people were told of it; null before. ended_at: when the reduction took effect, or was called off by a plan that
    keeps enough; null while it is pending.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="reductions", verbose_name=_("order"))
    backup_limit = models.PositiveIntegerField(_("backup limit before"))
    retention = models.JSONField(_("retention before"), default=dict)
    takes_effect_at = models.DateTimeField(_("takes effect"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    told_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("changed by")
    )

    class Meta:
        verbose_name = _("reduction of a plan")
        verbose_name_plural = _("reductions of plans")
        indexes = [
            models.Index(fields=["takes_effect_at"], name="plan_reduction_due", condition=Q(ended_at__isnull=True))
        ]
        constraints = [
            models.UniqueConstraint(
                name="plan_reduction_one_pending", fields=["order"], condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.takes_effect_at:%Y-%m-%d}"
