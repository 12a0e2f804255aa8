"""Schedules."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orders.models import BackupFormat, BackupSource, Order
from provisions.models import Provision

CRON_LENGTH_MAX = 200


class Schedule(models.Model):
    """A rule by which backups of a server, or of every server of an order, start by themselves.

    provision: null for every server of the order. cron: the normalised text; time_zone: the IANA name of the zone in
    which it is read. source: what is backed up. format: empty for that of the plan. exclude: patterns of files to leave
    out, as lines. retention: the rules that keep backups of this schedule; empty for none. name_pattern: of its
    backups; empty for the default name. only_if_changed: a run makes no backup when nothing has changed since the last
    one. of_plan: made from the order's plan; customers may not change it. next_due_at: null while paused or broken.
    error_code: the code of the error for which a broken schedule cannot run; empty otherwise.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="schedules")
    provision = models.ForeignKey(Provision, on_delete=models.CASCADE, null=True, blank=True, related_name="schedules")
    name = models.CharField(_("name"), max_length=100)
    cron = models.CharField(_("cron"), max_length=CRON_LENGTH_MAX)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    source = models.CharField(_("source"), max_length=16, choices=BackupSource.choices, default=BackupSource.FILES)
    format = models.CharField(_("format"), max_length=16, choices=BackupFormat.choices, blank=True)
    exclude = models.TextField(_("files to leave out"), blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    retention = models.JSONField(_("retention"), default=dict, blank=True)
    name_pattern = models.CharField(_("names of backups"), max_length=100, blank=True)
    only_if_changed = models.BooleanField(_("only when something has changed"), default=False)
    paused = models.BooleanField(_("paused"), default=False)
    of_plan = models.BooleanField(_("of the plan"), default=False)
    next_due_at = models.DateTimeField(_("next run"), null=True, blank=True, editable=False)
    error_code = models.CharField(_("error"), max_length=64, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        indexes = [
            models.Index(fields=["next_due_at", "id"], name="schedule_due", condition=Q(next_due_at__isnull=False)),
            models.Index(fields=["order", "created_at", "id"], name="schedule_of_order"),
        ]
        constraints = [
            models.CheckConstraint(name="schedule_has_a_cron", condition=~Q(cron="")),
            models.CheckConstraint(
                name="schedule_format_known", condition=Q(format="") | Q(format__in=BackupFormat.values)
            ),
            models.CheckConstraint(name="schedule_source_known", condition=Q(source__in=BackupSource.values)),
            models.CheckConstraint(
                name="schedule_paused_or_broken_is_never_due",
                condition=Q(next_due_at__isnull=True) | Q(paused=False, error_code=""),
            ),
            models.UniqueConstraint(name="schedule_one_of_plan", fields=["order", "source"], condition=Q(of_plan=True)),
        ]

    def __str__(self) -> str:
        return self.name
