"""Backups, the operations on them, and where their bytes are."""

from backups.models.backup import Backup, BackupStatus
from backups.models.operation import (
    ACTIVE_KINDS,
    LIVE_STATES,
    Operation,
    OperationBackup,
    OperationKind,
    OperationRole,
    OperationState,
)
from backups.models.storage import Asset, DataKey, StorageTarget, StoredObject, TargetKind
from backups.models.supervisor import Supervisor

__all__ = [
    "ACTIVE_KINDS",
    "LIVE_STATES",
    "Asset",
    "Backup",
    "BackupStatus",
    "DataKey",
    "Operation",
    "OperationBackup",
    "OperationKind",
    "OperationRole",
    "OperationState",
    "StorageTarget",
    "StoredObject",
    "Supervisor",
    "TargetKind",
]
