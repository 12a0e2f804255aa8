"""Triggers."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from backups.models import Backup
from provisions.models import Provision

INTERVAL_MINUTES_MAX = 366 * 24 * 60
LIMIT_BYTES_MIN = 1 << 20
LIMIT_BYTES_DEFAULT = 1 << 30
"""Proposed for a trigger that was never set."""
LIMIT_BYTES_MAX = 1 << 50


class TriggerKind(models.TextChoices):
    """What makes a backup begin, besides the clock."""

    CRASH = "crash", pgettext_lazy("trigger of a backup", "The game crashed")
    START = "start", pgettext_lazy("trigger of a backup", "The game started")
    CHANGED_BYTES = "changed_bytes", pgettext_lazy("trigger of a backup", "Much has changed")


class Trigger(models.Model):
    """An event at a server after which a backup begins by itself.

    limit_bytes: of a trigger by changed bytes. interval_minutes: the least time between two backups of the server's
    triggers; the plan's intervals apply as well. next_look_at: when the sidecar is asked again; failures: how many
    looks in a row had no answer. looked_at: the last one that had. counters, seen: the count of the sidecar that was
    seen last, and its id; a change of the id begins anew. due_at: from when on a backup is to be made; null when none
    is. fired_at, backup: the last backup. error_code: why the last look or the last start of a backup failed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provision = models.ForeignKey(Provision, on_delete=models.CASCADE, related_name="triggers")
    kind = models.CharField(_("trigger"), max_length=16, choices=TriggerKind.choices)
    enabled = models.BooleanField(_("enabled"), default=True)
    limit_bytes = models.PositiveBigIntegerField(
        _("changed bytes"),
        null=True,
        blank=True,
        validators=[MinValueValidator(LIMIT_BYTES_MIN), MaxValueValidator(LIMIT_BYTES_MAX)],
    )
    interval_minutes = models.PositiveIntegerField(
        _("least minutes between two backups"),
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(INTERVAL_MINUTES_MAX)],
    )
    next_look_at = models.DateTimeField(_("next look"), null=True, editable=False)
    looked_at = models.DateTimeField(_("last look"), null=True, editable=False)
    failures = models.PositiveIntegerField(_("looks without an answer"), default=0, editable=False)
    counters = models.CharField(max_length=64, blank=True, editable=False)
    seen = models.PositiveBigIntegerField(_("events seen"), null=True, editable=False)
    due_at = models.DateTimeField(_("backup due"), null=True, editable=False)
    fired_at = models.DateTimeField(_("last backup"), null=True, editable=False)
    backup = models.ForeignKey(Backup, on_delete=models.SET_NULL, null=True, editable=False, related_name="triggers")
    error_code = models.CharField(_("error"), max_length=64, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("trigger")
        verbose_name_plural = _("triggers")
        indexes = [
            models.Index(fields=["next_look_at"], name="trigger_next_look", condition=Q(next_look_at__isnull=False)),
            models.Index(fields=["due_at"], name="trigger_due", condition=Q(due_at__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(name="trigger_one_of_a_kind", fields=["provision", "kind"]),
            models.CheckConstraint(name="trigger_kind_known", condition=Q(kind__in=TriggerKind.values)),
            models.CheckConstraint(
                name="trigger_limit_of_changed_bytes",
                condition=Q(kind=TriggerKind.CHANGED_BYTES, limit_bytes__isnull=False)
                | (~Q(kind=TriggerKind.CHANGED_BYTES) & Q(limit_bytes__isnull=True)),
            ),
            models.CheckConstraint(name="trigger_interval_positive", condition=Q(interval_minutes__gte=1)),
            models.CheckConstraint(
                name="trigger_disabled_does_nothing",
                condition=Q(enabled=True) | Q(next_look_at__isnull=True, due_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provision_id} {self.kind}"
