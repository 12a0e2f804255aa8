"""The backups that an operation is about."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backups.models.backup import Backup
from operations.models import Operation


class OperationRole(models.TextChoices):
    """The role of a backup in an operation: an undo is about its subject, and restores its source."""

    SUBJECT = "subject", _("Subject")
    SOURCE = "source", _("Source")
    SAFETY = "safety", _("Safety backup")
    MEMBER = "member", _("Member of a restore point")


class OperationBackup(models.Model):
    """The backups of an operation, each with its role."""

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
