"""The protection of every order, as it was last computed: what the fleet page and the metrics count."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models import Order
from schedules.protection.state import State


class OrderProtection(models.Model):
    """The state of one order, computed anew after news of it, and when `until` has passed.

    The pages of an order compute theirs from the facts. good_at: when its newest good backup was last known to be
    current. until: when the state may change without news. absent_at: when the alarm was raised that there has been no
    good backup for longer than promised; null otherwise.
    """

    order = models.OneToOneField(Order, on_delete=models.CASCADE, primary_key=True, related_name="protection")
    state = models.CharField(_("state"), max_length=16, choices=State.choices)
    reason = models.CharField(_("reason"), max_length=16)
    good_at = models.DateTimeField(_("last good backup"), null=True)
    until = models.DateTimeField(null=True)
    absent_at = models.DateTimeField(_("absent since"), null=True)
    refreshed_at = models.DateTimeField(_("computed"))

    class Meta:
        verbose_name = _("protection of an order")
        verbose_name_plural = _("protection of orders")
        indexes = [
            models.Index(fields=["state", "order"], name="protection_by_state"),
            models.Index(fields=["until"], name="protection_changing", condition=Q(until__isnull=False)),
            models.Index(fields=["refreshed_at"], name="protection_oldest"),
            models.Index(fields=["absent_at"], name="protection_absent", condition=Q(absent_at__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(name="protection_state_known", condition=Q(state__in=State.values)),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.state}"
