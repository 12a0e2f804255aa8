"""Backups, their operations, and findings of the reconciler."""

from backups.models.backup import Backup, BackupStatus, Depth
from backups.models.finding import NOBODY, Finding, Invariant
from backups.models.role import OperationBackup, OperationRole
from backups.models.usage import UsageSample

__all__ = [
    "NOBODY",
    "Backup",
    "BackupStatus",
    "Depth",
    "Finding",
    "Invariant",
    "OperationBackup",
    "OperationRole",
    "UsageSample",
]
