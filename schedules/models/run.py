"""Runs of schedules."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from backups.models import Backup
from provisions.models import Provision
from schedules.models.schedule import Schedule


class RunState(models.TextChoices):
    """The state of a run. A run is due until its backup could start."""

    DUE = "due", pgettext_lazy("run of a schedule", "Due")
    RUNNING = "running", pgettext_lazy("run of a schedule", "Running")
    SUCCEEDED = "succeeded", pgettext_lazy("run of a schedule", "Succeeded")
    FAILED = "failed", pgettext_lazy("run of a schedule", "Failed")
    UNCHANGED = "unchanged", pgettext_lazy("run of a schedule", "Nothing changed")
    SKIPPED = "skipped", pgettext_lazy("run of a schedule", "Skipped")


OPEN_STATES = (RunState.DUE, RunState.RUNNING)


class ScheduleRun(models.Model):
    """One run of a schedule on one server. A schedule runs once on a server for each of its due times.

    due_at: the time by the schedule's rule. starts_at: the earliest start, `due_at` and the server's share of the
    smear. operation_id: the operation that makes the backup, null before the start. error_code: the code of the error
    that ended the run, or the reason why it waits or was skipped.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    provision = models.ForeignKey(Provision, on_delete=models.CASCADE, related_name="runs")
    due_at = models.DateTimeField(_("due"))
    starts_at = models.DateTimeField(_("starts"))
    state = models.CharField(_("state"), max_length=16, choices=RunState.choices, default=RunState.DUE)
    backup = models.ForeignKey(Backup, on_delete=models.SET_NULL, null=True, related_name="runs")
    operation_id = models.UUIDField(null=True)
    error_code = models.CharField(_("error"), max_length=64, blank=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("run of a schedule")
        verbose_name_plural = _("runs of schedules")
        indexes = [
            models.Index(fields=["starts_at", "id"], name="schedule_run_waiting", condition=Q(state=RunState.DUE)),
            models.Index(fields=["provision", "-due_at"], name="schedule_run_newest"),
            models.Index(fields=["finished_at"], name="schedule_run_over", condition=Q(finished_at__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(name="schedule_run_once", fields=["schedule", "provision", "due_at"]),
            models.UniqueConstraint(
                name="schedule_run_of_operation", fields=["operation_id"], condition=Q(operation_id__isnull=False)
            ),
            models.CheckConstraint(name="schedule_run_state_known", condition=Q(state__in=RunState.values)),
            models.CheckConstraint(
                name="schedule_run_finished_when_over",
                condition=Q(state__in=OPEN_STATES, finished_at__isnull=True)
                | (~Q(state__in=OPEN_STATES) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="schedule_run_running_has_started",
                condition=~Q(state=RunState.RUNNING) | Q(started_at__isnull=False, operation_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.due_at:%Y-%m-%d %H:%M:%S}"
