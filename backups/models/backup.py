"""A backup as its customer sees it."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models import BackupFormat, Order
from provisions.models import Provision
from vault.models import Asset
from wire.enums import Consistency


class BackupStatus(models.TextChoices):
    """The status of a backup, as people see it."""

    CREATING = "creating", _("Creating")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")
    RESTORING = "restoring", _("Restoring")


class Depth(models.TextChoices):
    """How thoroughly a backup is verified. A share is the structure, and one daily share of the data.

    A test restore also reads all data: it restores every file, and compares it with the list of the backup.
    """

    SAMPLE = "sample", pgettext_lazy("depth of a verification", "Sample")
    STRUCTURE = "structure", pgettext_lazy("depth of a verification", "Structure")
    SHARE = "share", pgettext_lazy("depth of a verification", "Structure and a share of the data")
    DATA = "data", pgettext_lazy("depth of a verification", "All data")
    RESTORE = "restore", pgettext_lazy("depth of a verification", "Test restore")


class Backup(models.Model):
    """One backup of one provision.

    size_bytes: of the archive that the customer downloads, or of the files in a snapshot. deleted_at is a tombstone:
    the backup has left every list, and its delete operation takes object and row away. is_safety: made by the product
    before a restore; it does not count towards the limit, and is deleted at expires_at unless it is locked.
    listing_bytes: stored size of the listing beside an archive, null without one. entries, content_bytes: files,
    folders and links in the backup, and bytes of file content. added_bytes: what this backup alone added to the
    storage. unique_bytes, fair_bytes: as of the last sample the stored bytes that only it uses, and its share of all
    that it uses: each chunk divided by the snapshots that use it; null before the first sample. read_whole: every file
    was read for it, whatever its parent said. collapsed: the server had lost most content of an earlier good backup
    (`had_entries`, `had_bytes`; null without an earlier one), or had no file content at all. exclude: the patterns
    asked for this backup alone, as lines. excluded: entries and bytes that all patterns in force left out, with those
    patterns; null before it is known. damaged: the files that cannot be restored,
    `{"files": n|null, "paths": [{"path", "reason"}, …], "content"}`: their number (null: no file can), the first 100,
    and whether only reading all data finds them; null when none is known. proof: the result of the newest
    verification, as the API shows it; that of a test restore stays until the next one, or until damage is found.
    proven_at: the time of the newest test restore, null without one, and once damage is found. read_at: when all of an
    archive was last read to verify it, whatever was found. schedule_id: the
    schedule of the run that made it, null for any other; a deleted schedule leaves its id. tags: short words.
    operation: the newest one, at hand so that one statement reads both as they were at one moment.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="backups")
    provision = models.ForeignKey(Provision, on_delete=models.RESTRICT, related_name="backups")
    name = models.CharField(_("name"), max_length=100)
    status = models.CharField(_("status"), max_length=16, choices=BackupStatus.choices, default=BackupStatus.CREATING)
    asset = models.OneToOneField(Asset, on_delete=models.RESTRICT, null=True, related_name="backup")
    operation = models.ForeignKey("operations.Operation", on_delete=models.SET_NULL, null=True, related_name="+")
    operations = models.ManyToManyField(
        "operations.Operation", through="backups.OperationBackup", related_name="backups"
    )
    size_bytes = models.PositiveBigIntegerField(_("size"), null=True)
    format = models.CharField(max_length=16, choices=BackupFormat.choices, default=BackupFormat.ARCHIVE)
    source = models.CharField(max_length=16, default="files")
    consistency = models.CharField(max_length=16, null=True)  # noqa: DJ001  # null: not known yet, as the API says
    warnings = models.JSONField(default=list)
    warnings_total = models.PositiveIntegerField(default=0)
    locked = models.BooleanField(_("locked"), default=False)
    is_safety = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True)
    listing_bytes = models.PositiveBigIntegerField(null=True)
    entries = models.PositiveBigIntegerField(null=True)
    content_bytes = models.PositiveBigIntegerField(null=True)
    added_bytes = models.PositiveBigIntegerField(null=True)
    unique_bytes = models.PositiveBigIntegerField(null=True)
    fair_bytes = models.PositiveBigIntegerField(null=True)
    read_whole = models.BooleanField(default=True)
    collapsed = models.BooleanField(default=False)
    had_entries = models.PositiveBigIntegerField(null=True)
    had_bytes = models.PositiveBigIntegerField(null=True)
    exclude = models.JSONField(default=list)
    excluded = models.JSONField(null=True)
    degraded = models.BooleanField(default=False)
    damaged = models.JSONField(null=True)
    proof = models.JSONField(null=True)
    proven_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    completed_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    schedule_id = models.UUIDField(null=True)
    notes = models.TextField(_("notes"), blank=True, default="")
    tags = models.JSONField(_("tags"), default=list, blank=True)

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        indexes = [
            models.Index(fields=["provision", "-created_at", "-id"], name="backup_newest_of_provision"),
            models.Index(fields=["order", "-created_at", "-id"], name="backup_newest_of_order"),
            models.Index(
                fields=["schedule_id", "-created_at"], name="backup_of_schedule", condition=Q(schedule_id__isnull=False)
            ),
            models.Index(fields=["expires_at"], name="backup_expiring", condition=Q(expires_at__isnull=False)),
            models.Index(fields=["read_at"], name="backup_read", condition=Q(format=BackupFormat.ARCHIVE)),
        ]
        permissions = [("read_customer_data", _("May download and browse customers' backups"))]
        constraints = [
            models.CheckConstraint(name="backup_status_known", condition=Q(status__in=BackupStatus.values)),
            models.CheckConstraint(
                name="backup_complete_when_usable",
                condition=~Q(status__in=[BackupStatus.READY, BackupStatus.RESTORING])
                | Q(asset__isnull=False, size_bytes__isnull=False, completed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="backup_empty_while_creating",
                condition=~Q(status=BackupStatus.CREATING) | Q(asset__isnull=True, completed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="backup_not_deleted_while_busy",
                condition=Q(deleted_at__isnull=True) | Q(status__in=[BackupStatus.READY, BackupStatus.FAILED]),
            ),
            models.CheckConstraint(
                name="backup_consistency_known",
                condition=Q(consistency__isnull=True) | Q(consistency__in=Consistency.words()),
            ),
            models.CheckConstraint(name="backup_format_known", condition=Q(format__in=BackupFormat.values)),
            models.CheckConstraint(
                name="backup_only_safety_expires", condition=Q(expires_at__isnull=True) | Q(is_safety=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name
