"""Servers whose old backups are to be looked at."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from provisions.models import Provision


class Rotation(models.Model):
    """A server of which backups may go: a new one makes them superfluous, or its plan keeps less than it did.

    They go once the newest backup is good and was read back. looked_at: when that was checked last; null before the
    first time, and when its answer may have changed.
    """

    provision = models.OneToOneField(Provision, on_delete=models.CASCADE, primary_key=True, related_name="rotation")
    requested_at = models.DateTimeField(_("requested"))
    looked_at = models.DateTimeField(_("looked at"), null=True)

    class Meta:
        verbose_name = _("rotation of backups")
        verbose_name_plural = _("rotations of backups")
        indexes = [models.Index(fields=["looked_at", "requested_at"], name="rotation_longest_unseen")]

    def __str__(self) -> str:
        return str(self.provision_id)
