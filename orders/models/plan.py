"""Plans."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from orders.patterns import patterns_text_validate
from orders.retention import policy_validate

YEAR_MINUTES = 366 * 24 * 60
RATE_MIN = 1 << 20
"""The lowest rate of restores, in bytes a second: at a slower one, a sidecar would pass for dead between two pieces."""


class BackupFormat(models.TextChoices):
    """The formats in which backups are stored."""

    ARCHIVE = "archive", pgettext_lazy("format of backups", "Archive")
    REPOSITORY = "repository", pgettext_lazy("format of backups", "Snapshot")


class ByteMeasure(models.TextChoices):
    """The bytes that the limit of a plan counts."""

    LOGICAL = "logical", pgettext_lazy("bytes that a limit counts", "Size of the files")
    STORED = "stored", pgettext_lazy("bytes that a limit counts", "Stored bytes, shared parts divided")


class BackupSource(models.TextChoices):
    """The sources of backups: `Backup.source` names one of them."""

    FILES = "files", pgettext_lazy("source of a backup", "Files")


def sources_validate(value: object) -> None:
    """Raise ValidationError unless this is a list of sources."""
    _choices_validate(value, BackupSource.values)


def formats_validate(value: object) -> None:
    """Raise ValidationError unless this is a list of formats."""
    _choices_validate(value, BackupFormat.values)


def _choices_validate(value: object, known: list[str]) -> None:
    if not isinstance(value, list) or any(word not in known for word in value) or len(set(value)) != len(value):
        message = gettext("A list of these words, each at most once: %(words)s.")
        raise ValidationError(message % {"words": ", ".join(known)}, code="choices")


class Plan(models.Model):
    """A product of the host: whether it has backups, how many of each provision are kept, and for how many hours the
    safety backup that a restore makes first (0: none is made, and no restore can be undone).

    collapse_percent: a backup that lost more than this share of the last good one is marked as collapsed.
    backup_format: the format of new backups on a target that can hold it. exclude, profile_presets: patterns of files
    that backups leave out, the plan's own and those of the game's profile. customer_patterns: whether customers may add
    their own. byte_limit: no backup begins once those of the order have so many bytes, null for no limit; byte_measure:
    which bytes count. volume_limit: how many volumes that restores made an order keeps at the same time.

    target: where new backups are stored, null for the default target. schedule_cron: the plan's own schedule, made for
    every server of its orders; empty for none. schedule_time_zone: the zone of that schedule. schedule_retention: the
    policy of that schedule, and of schedules that state none, as `orders.retention` reads it. customer_schedules:
    whether customers may make schedules. shortest_interval_minutes: the least time between two runs of a schedule of a
    customer. cooldown_minutes: the least time between two backups of a server that were asked for by hand. sources,
    formats: those that the plan allows, an empty list for all. restore_rate: the most bytes a second that a restore
    receives. parallel_operations: how many operations of one order may run at the same time. Both are null for no
    limit. suspension_days: how long a suspended order keeps its backups. trial_days: after so many days the
    newest good backup of an order is restored for a test, 0 for never.
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

    target = models.ForeignKey(
        "vault.StorageTarget",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="plans",
        verbose_name=_("storage target"),
        help_text=_("Where new backups are stored. Empty: the default target. Existing backups stay where they are."),
    )

    schedule_cron = models.CharField(
        _("schedule of the plan"),
        max_length=100,
        blank=True,
        help_text=_(
            "A cron expression: every server of the plan's orders is backed up by it, without anyone setting it up. "
            "Empty: the plan makes no backups by itself."
        ),
    )
    schedule_time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    schedule_retention = models.JSONField(
        _("retention of the plan"),
        default=dict,
        blank=True,
        validators=[policy_validate],
        help_text=_(
            "Which backups of schedules are kept, for example: {“last”: 3, “daily”: 7, “weekly”: 4}. Empty: the oldest "
            "goes once the backup limit is reached."
        ),
    )
    customer_schedules = models.BooleanField(_("customers make schedules"), default=True)
    shortest_interval_minutes = models.PositiveIntegerField(
        _("shortest interval in minutes"),
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(YEAR_MINUTES)],
        help_text=_("The least time between two runs of a schedule that a customer makes."),
    )
    cooldown_minutes = models.PositiveIntegerField(
        _("cool-down in minutes"),
        default=0,
        validators=[MaxValueValidator(YEAR_MINUTES)],
        help_text=_("The least time between two backups of a server that customers ask for by hand. 0: none."),
    )
    sources = models.JSONField(
        _("sources"),
        default=list,
        blank=True,
        validators=[sources_validate],
        help_text=_("Which sources are backed up. An empty list: all."),
    )
    formats = models.JSONField(
        _("formats"),
        default=list,
        blank=True,
        validators=[formats_validate],
        help_text=_("Which formats customers may choose. An empty list: all."),
    )
    restore_rate = models.PositiveBigIntegerField(
        _("rate of restores"),
        null=True,
        blank=True,
        validators=[MinValueValidator(RATE_MIN)],
        help_text=_("The most bytes a second that a restore sends to a server. Empty: no limit."),
    )
    parallel_operations = models.PositiveIntegerField(
        _("parallel operations"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How many operations of one order run at the same time. Empty: no limit."),
    )
    suspension_days = models.PositiveIntegerField(
        _("days of suspension"),
        default=30,
        validators=[MaxValueValidator(3660)],
        help_text=_("How long the backups of a suspended order are kept and can be downloaded."),
    )
    trial_days = models.PositiveIntegerField(
        _("days between test restores"),
        default=30,
        validators=[MaxValueValidator(366)],
        help_text=_("How often the newest good backup of an order is restored for a test. 0: never."),
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
            models.CheckConstraint(
                name="plan_shortest_interval_sane",
                condition=models.Q(shortest_interval_minutes__gte=1, shortest_interval_minutes__lte=YEAR_MINUTES),
            ),
            models.CheckConstraint(name="plan_cooldown_sane", condition=models.Q(cooldown_minutes__lte=YEAR_MINUTES)),
            models.CheckConstraint(
                name="plan_restore_rate_sane",
                condition=models.Q(restore_rate__isnull=True) | models.Q(restore_rate__gte=RATE_MIN),
            ),
            models.CheckConstraint(
                name="plan_parallel_operations_sane",
                condition=models.Q(parallel_operations__isnull=True) | models.Q(parallel_operations__gte=1),
            ),
            models.CheckConstraint(name="plan_suspension_days_sane", condition=models.Q(suspension_days__lte=3660)),
            models.CheckConstraint(name="plan_trial_days_sane", condition=models.Q(trial_days__lte=366)),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise ValidationError when the format of backups is none of the formats."""
        super().clean()
        if self.formats and self.backup_format not in self.formats:
            raise ValidationError({"formats": gettext("The format of backups must be one of them.")})
