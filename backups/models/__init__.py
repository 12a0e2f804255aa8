"""Backups, where their bytes are, and what the reconciler found about them."""

from backups.models.backup import Backup, BackupStatus
from backups.models.finding import NOBODY, Finding, Invariant
from backups.models.role import OperationBackup, OperationRole
from backups.models.storage import Asset, DataKey, StorageTarget, StoredObject, TargetKind

__all__ = [
    "NOBODY",
    "Asset",
    "Backup",
    "BackupStatus",
    "DataKey",
    "Finding",
    "Invariant",
    "OperationBackup",
    "OperationRole",
    "StorageTarget",
    "StoredObject",
    "TargetKind",
]
