"""Runs of chores, the recurring work."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ChoreRun(models.Model):
    """One run of a chore, from the tick that asked for it to its end.

    done: the count that the chore returned (objects deleted, sessions expired), null for a chore without a count.
    error: the type of the exception that ended the run; empty when it succeeded.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    chore = models.CharField(_("chore"), max_length=64)
    requested_at = models.DateTimeField(_("requested"))
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    done = models.PositiveBigIntegerField(_("done"), null=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("run of a chore")
        verbose_name_plural = _("runs of chores")
        indexes = [models.Index(fields=["chore", "-requested_at"], name="chore_run_newest")]
        constraints = [
            models.UniqueConstraint(
                name="chore_run_one_at_a_time", fields=["chore"], condition=Q(finished_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chore} {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def took(self) -> timedelta | None:
        """The duration of the run; None while it runs."""
        return self.finished_at - self.started_at if self.finished_at and self.started_at else None
