"""Places for backups."""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField
from repository.archive.object_keys import FORMATS
from targets.registry import KINDS


class StorageTarget(models.Model):
    """A place for backups.

    kind: one of `targets.registry`. options, secrets: JSON objects of the options that the kind's settings declare;
    `secrets` is encrypted. sealed: archives are stored encrypted; a plain target has the bytes that customers download.
    archive_format: of new archives; one of `repository.archive.object_keys.FORMATS`.
    upkeep_hour: the hour of the day, in UTC, from which repositories on it are pruned and verified.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=16, choices=[(kind.name, _(kind.label)) for kind in KINDS])
    options = models.JSONField(_("options"), default=dict)
    secrets = EncryptedTextField(null=True, blank=True, editable=False)
    sealed = models.BooleanField(_("encrypted"), default=True)
    is_default = models.BooleanField(_("default"), default=False)
    archive_format = models.CharField(
        _("format of archives"),
        max_length=8,
        choices=[(str(found), f".{found}") for found in FORMATS],
        default=str(FORMATS[0]),
        help_text=_(
            "The file that a new archive becomes. Every system opens a .tar.gz; a .tar.zst is made and restored faster."
        ),
    )
    upkeep_hour = models.PositiveSmallIntegerField(
        _("hour of upkeep"),
        default=3,
        validators=[MaxValueValidator(23)],
        help_text=_("The hour of the day, in UTC, at which snapshots are pruned and verified: 0 to 23."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("storage target")
        verbose_name_plural = _("storage targets")
        constraints = [
            models.CheckConstraint(name="target_kind_known", condition=Q(kind__in=[kind.name for kind in KINDS])),
            models.CheckConstraint(
                name="target_archive_format_known", condition=Q(archive_format__in=[str(found) for found in FORMATS])
            ),
            models.CheckConstraint(name="target_upkeep_hour_of_a_day", condition=Q(upkeep_hour__lte=23)),
            models.UniqueConstraint(name="target_one_default", fields=["is_default"], condition=Q(is_default=True)),
        ]

    def __str__(self) -> str:
        return self.name
