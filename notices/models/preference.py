"""What each user wants to be told of, and how."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models import Order


class Digest(models.TextChoices):
    """How often mails with notices are sent."""

    AT_ONCE = "at_once", pgettext_lazy("mails with notices", "At once, several in one mail")
    HOURLY = "hourly", pgettext_lazy("mails with notices", "Once an hour")
    DAILY = "daily", pgettext_lazy("mails with notices", "Once a day, in the morning")


class Preference(models.Model):
    """The choices of a user: for all orders, for one order, or for one schedule of it; the narrowest row counts.

    in_page, mail: the kinds of events for the inbox and for mails. digest: of the row for all orders; others leave it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, null=True, related_name="+")
    schedule_id = models.UUIDField(null=True)
    in_page = models.JSONField(default=list)
    mail = models.JSONField(default=list)
    digest = models.CharField(max_length=16, choices=Digest.choices, default=Digest.AT_ONCE)

    class Meta:
        verbose_name = _("choice of notices")
        verbose_name_plural = _("choices of notices")
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(order__isnull=True), name="preference_one_for_all_orders"
            ),
            models.UniqueConstraint(
                fields=["user", "order"],
                condition=Q(order__isnull=False, schedule_id__isnull=True),
                name="preference_one_for_an_order",
            ),
            models.UniqueConstraint(
                fields=["user", "order", "schedule_id"],
                condition=Q(schedule_id__isnull=False),
                name="preference_one_for_a_schedule",
            ),
            models.CheckConstraint(
                name="preference_schedule_of_an_order", condition=Q(schedule_id__isnull=True) | Q(order__isnull=False)
            ),
            models.CheckConstraint(name="preference_digest_known", condition=Q(digest__in=Digest.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.order_id or ''}"
