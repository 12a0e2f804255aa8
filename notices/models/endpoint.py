"""Addresses outside that notices and heartbeats are sent to."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField
from orders.models import Order


class EndpointKind(models.TextChoices):
    """What an address takes."""

    WEBHOOK = "webhook", _("Webhook")
    DISCORD = "discord", "Discord"
    HEARTBEAT = "heartbeat", _("Heartbeat")


class Endpoint(models.Model):
    """One address of an order, or of one schedule of it.

    url: encrypted, because such addresses often hold a token. secret, old_secret: of a webhook, `whsec_…`; the old one
    signs as well until old_secret_until. events: the kinds that are sent, empty for all. language: of the texts.
    failures: attempts in a row that failed; nothing is sent before held_until.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="+")
    schedule_id = models.UUIDField(null=True)
    kind = models.CharField(_("kind"), max_length=16, choices=EndpointKind.choices)
    url = EncryptedTextField(editable=False)
    secret = EncryptedTextField(null=True, editable=False)
    old_secret = EncryptedTextField(null=True, editable=False)
    old_secret_until = models.DateTimeField(null=True)
    events = models.JSONField(_("events"), default=list)
    active = models.BooleanField(_("active"), default=True)
    language = models.CharField(max_length=16, blank=True)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    held_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("address for notices")
        verbose_name_plural = _("addresses for notices")
        indexes = [models.Index(fields=["order", "-created_at", "-id"], name="endpoint_newest_of_order")]
        constraints = [
            models.CheckConstraint(name="endpoint_kind_known", condition=Q(kind__in=EndpointKind.values)),
            models.CheckConstraint(
                name="endpoint_webhook_has_secret",
                condition=Q(kind=EndpointKind.WEBHOOK, secret__isnull=False)
                | (~Q(kind=EndpointKind.WEBHOOK) & Q(secret__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def site(self) -> str:
        """The address without its path, which may hold a token."""
        parts = urlsplit(self.url or "")
        return f"{parts.scheme}://{parts.netloc}"
