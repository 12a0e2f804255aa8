"""Plans."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.patterns import patterns_text_validate


class BackupFormat(models.TextChoices):
    """The formats in which backups are stored."""

    ARCHIVE = "archive", pgettext_lazy("format of backups", "Archive")
    REPOSITORY = "repository", pgettext_lazy("format of backups", "Snapshot")


class ByteMeasure(models.TextChoices):
    """The bytes that the limit of a plan counts."""

    LOGICAL = "logical", pgettext_lazy("bytes that a limit counts", "Size of the files")
    STORED = "stored", pgettext_lazy("bytes that a limit counts", "Stored bytes, shared parts divided")


class Plan(models.Model):
    """A product of the host: whether it has backups, how many of each provision are kept, and for how many hours the
    safety backup that a restore makes first (0: none is made, and no restore can be undone).

    collapse_percent: a backup that lost more than this share of the last good one is marked as collapsed.
    backup_format: the format of new backups on a target that can hold it. exclude, profile_presets: patterns of files
    that backups leave out, the plan's own and those of the game's profile. customer_patterns: whether customers may add
    their own. byte_limit: no backup begins once those of the order have so many bytes, null for no limit; byte_measure:
    which bytes count. volume_limit: how many volumes that restores made an order keeps at the same time.
    """

    name = models.CharField(_("name"), max_length=100, unique=True)
    has_backups = models.BooleanField(_("has backups"), default=True)
    backup_limit = models.PositiveIntegerField(
        _("backup limit"), default=10, help_text=_("Backups kept of each provision.")
    )
    safety_hours = models.PositiveIntegerField(
        _("hours of safety"),
        default=48,
        help_text=_("How long the backup that every restore makes first is kept. 0: none is made."),
    )
    collapse_percent = models.PositiveSmallIntegerField(
        _("percent that may be lost"),
        default=50,
        help_text=_(
            "A backup that lost more than this share of the files or bytes of the last good one, or has no file "
            "content at all, is marked, and its restore asks again. 0: no backup is marked."
        ),
    )

    exclude = models.TextField(
        _("files to leave out"),
        blank=True,
        validators=[patterns_text_validate],
        help_text=_(
            "Patterns in the syntax of .gitignore, one on each line: backups leave out the files that match. Patterns "
            "of a server override these."
        ),
    )
    profile_presets = models.BooleanField(
        _("leave out what the game writes anew"),
        default=False,
        help_text=_("Logs, crash reports and caches, by the profile of the game."),
    )
    customer_patterns = models.BooleanField(
        _("customers choose files to leave out"),
        default=True,
        help_text=_("With patterns of their own: on a server, on one backup, and in a file .savepointignore."),
    )
    backup_format = models.CharField(
        _("format of backups"),
        max_length=16,
        choices=BackupFormat.choices,
        default=BackupFormat.REPOSITORY,
        help_text=_("Snapshots store what has changed since the last one; archives store everything, each time."),
    )

    byte_limit = models.PositiveBigIntegerField(
        _("limit in bytes"),
        null=True,
        blank=True,
        help_text=_("No backup begins once the backups of an order have so many bytes. Empty: no limit."),
    )
    byte_measure = models.CharField(
        _("bytes that count"),
        max_length=16,
        choices=ByteMeasure.choices,
        default=ByteMeasure.LOGICAL,
        help_text=_("What several snapshots share is divided between them in the stored bytes, as of the last sample."),
    )

    volume_limit = models.PositiveIntegerField(
        _("limit of new volumes"),
        default=3,
        help_text=_("How many volumes that restores made an order keeps; staff remove them. 0: none is made."),
    )

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        constraints = [
            models.CheckConstraint(name="plan_backup_limit_sane", condition=models.Q(backup_limit__lte=10_000)),
            models.CheckConstraint(name="plan_safety_hours_sane", condition=models.Q(safety_hours__lte=24 * 366)),
            models.CheckConstraint(
                name="plan_backup_format_known", condition=models.Q(backup_format__in=BackupFormat.values)
            ),
            models.CheckConstraint(
                name="plan_byte_measure_known", condition=models.Q(byte_measure__in=ByteMeasure.values)
            ),
            models.CheckConstraint(name="plan_volume_limit_sane", condition=models.Q(volume_limit__lte=10_000)),
            models.CheckConstraint(name="plan_collapse_percent_sane", condition=models.Q(collapse_percent__lte=99)),
        ]

    def __str__(self) -> str:
        return self.name
