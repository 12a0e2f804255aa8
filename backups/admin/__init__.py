"""The admin pages of backups, operations and findings."""

from backups.admin.backups import BackupAdmin
from backups.admin.findings import FindingAdmin
from backups.admin.operations import OperationAdmin
from backups.admin.repositories import RepositoryAdmin, UsageSampleAdmin

__all__ = [
    "BackupAdmin",
    "FindingAdmin",
    "OperationAdmin",
    "RepositoryAdmin",
    "UsageSampleAdmin",
]
