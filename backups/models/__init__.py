"""Backups, the operations on them, and where their bytes are."""

from backups.models.backup import Backup, BackupStatus
from backups.models.finding import NOBODY, Finding, Invariant
from backups.models.operation import (
    ACTIVE_KINDS,
    EXCHANGE_KINDS,
    LIVE_STATES,
    Operation,
    OperationBackup,
    OperationKind,
    OperationRole,
    OperationState,
)
from backups.models.storage import Asset, DataKey, StorageTarget, StoredObject, TargetKind
from backups.models.supervisor import Supervisor
from backups.models.tally import OperationTally

__all__ = [
    "ACTIVE_KINDS",
    "EXCHANGE_KINDS",
    "LIVE_STATES",
    "NOBODY",
    "Asset",
    "Backup",
    "BackupStatus",
    "DataKey",
    "Finding",
    "Invariant",
    "Operation",
    "OperationBackup",
    "OperationKind",
    "OperationRole",
    "OperationState",
    "OperationTally",
    "StorageTarget",
    "StoredObject",
    "Supervisor",
    "TargetKind",
]
