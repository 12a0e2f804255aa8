"""The staff's pages of the product: what is stored, what runs, and where."""

from backups.admin.backups import BackupAdmin
from backups.admin.findings import FindingAdmin
from backups.admin.operations import OperationAdmin

__all__ = [
    "BackupAdmin",
    "FindingAdmin",
    "OperationAdmin",
]
