"""Long work on an order: the row that is the truth, whatever the queue says."""

from __future__ import annotations

import math
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backups.models.backup import Backup
from orders.models import Order


class OperationKind(models.TextChoices):
    """What is done."""

    CREATE = "create", _("Create")
    RESTORE = "restore", _("Restore")
    UNDO = "undo", _("Undo")
    DELETE = "delete", _("Delete")
    VERIFY = "verify", _("Verify")
    IMPORT = "import", _("Import")
    REPROVISION = "reprovision", _("Reprovision")


class OperationState(models.TextChoices):
    """How far it is. Queued and running operations are live; the others are over for good."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


LIVE_STATES = [OperationState.QUEUED, OperationState.RUNNING]
ACTIVE_KINDS = [
    OperationKind.CREATE,
    OperationKind.RESTORE,
    OperationKind.UNDO,
    OperationKind.IMPORT,
    OperationKind.REPROVISION,
]
"""Kinds that exclude each other on one order; a delete or a verify does not."""
EXCHANGE_KINDS = [OperationKind.RESTORE, OperationKind.UNDO]
"""Kinds that exchange live files: whether they did, only the sidecar's journal knows."""


class OperationRole(models.TextChoices):
    """What a backup is to an operation: an undo is about its subject, and brings back its source."""

    SUBJECT = "subject", _("Subject")
    SOURCE = "source", _("Source")
    SAFETY = "safety", _("Safety backup")
    MEMBER = "member", _("Member of a restore point")


class Operation(models.Model):
    """One piece of work, claimed by one worker at a time.

    fence: grows with every claim; whatever carries an older one changes nothing. heartbeat: a counter, not a time,
    so that no clock decides who is alive. attempts: claims that count. not_before: nobody claims it earlier.
    warnings: live paths that a restore left as they were, the first of warnings_total.
    worker: who claimed it, `{supervisor}:{pid}`. expires_at: an exclusive hold (reprovision) ends then by itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="operations")
    backups = models.ManyToManyField(Backup, through="OperationBackup", related_name="operations")
    kind = models.CharField(_("kind"), max_length=16, choices=OperationKind.choices)
    state = models.CharField(_("state"), max_length=16, choices=OperationState.choices, default=OperationState.QUEUED)
    phase = models.CharField(_("phase"), max_length=32, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    params = models.JSONField(default=dict)
    fence = models.PositiveBigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    heartbeat = models.PositiveBigIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    bytes_done = models.PositiveBigIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(null=True)
    rate = models.PositiveBigIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    error_params = models.JSONField(default=dict)
    warnings = models.JSONField(default=list)
    warnings_total = models.PositiveIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        indexes = [
            models.Index(fields=["created_at"], name="operation_live", condition=Q(state__in=LIVE_STATES)),
        ]
        constraints = [
            models.UniqueConstraint(
                name="operation_one_active_an_order",
                fields=["order"],
                condition=Q(state__in=LIVE_STATES, kind__in=ACTIVE_KINDS),
            ),
            models.CheckConstraint(name="operation_kind_known", condition=Q(kind__in=OperationKind.values)),
            models.CheckConstraint(name="operation_state_known", condition=Q(state__in=OperationState.values)),
            models.CheckConstraint(
                name="operation_finished_when_over",
                condition=Q(state__in=LIVE_STATES, finished_at__isnull=True)
                | (~Q(state__in=LIVE_STATES) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="operation_failed_says_why",
                condition=Q(state__in=[OperationState.FAILED, OperationState.CANCELLED], error_code__gt="")
                | (~Q(state__in=[OperationState.FAILED, OperationState.CANCELLED]) & Q(error_code="")),
            ),
            models.CheckConstraint(
                name="operation_running_has_fence", condition=~Q(state=OperationState.RUNNING) | Q(fence__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_live(self) -> bool:
        """Whether it is queued or running."""
        return self.state in LIVE_STATES

    @property
    def eta_seconds(self) -> int | None:
        """What is left at the present rate, while there is one."""
        if self.state != OperationState.RUNNING or self.bytes_total is None or not self.rate:
            return None
        return math.ceil(max(0, self.bytes_total - self.bytes_done) / self.rate)


class OperationBackup(models.Model):
    """Which backups an operation is about, and as what."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="roles")
    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=16, choices=OperationRole.choices, default=OperationRole.SUBJECT)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="operation_backup_once", fields=["operation", "backup"]),
            models.CheckConstraint(name="operation_role_known", condition=Q(role__in=OperationRole.values)),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.backup_id}"
