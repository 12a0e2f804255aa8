"""Servers whose old backups are to be looked at."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from provisions.models import Provision


class Rotation(models.Model):
    """A server of which backups may go: a schedule made a backup of it, or its plan keeps less than it did.

    waits: old backups go only after the newest backup of a schedule was read back. looked_at: when that was checked
    last; null before the first time.
    """

    provision = models.OneToOneField(Provision, on_delete=models.CASCADE, primary_key=True, related_name="rotation")
    waits = models.BooleanField(default=True)
    requested_at = models.DateTimeField(_("requested"))
    looked_at = models.DateTimeField(_("looked at"), null=True)

    class Meta:
        verbose_name = _("rotation of backups")
        verbose_name_plural = _("rotations of backups")
        indexes = [models.Index(fields=["looked_at", "requested_at"], name="rotation_longest_unseen")]

    def __str__(self) -> str:
        return str(self.provision_id)
