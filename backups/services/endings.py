"""Backups after an operation on them ended without success."""

from __future__ import annotations

from django.utils import timezone

from backups.models import Backup, BackupStatus, OperationRole
from backups.services.damage import damage_note
from backups.services.roles import backups_give_back, operation_source
from backups.services.volumes import volume_unmade
from common.errors import ApplicationError
from operations.models import Operation
from vault.errors import ArchiveDamagedError
from vault.services.sweep import objects_condemn


def create_unsuccessful(operation: Operation, _error: ApplicationError) -> None:
    """Leave the backup of a create *failed*, with nothing in storage."""
    subject = Backup.objects.filter(roles__operation=operation, roles__role=OperationRole.SUBJECT)
    subject.filter(status=BackupStatus.CREATING).update(status=BackupStatus.FAILED, completed_at=timezone.now())
    objects_condemn(backup_ids=list(subject.values_list("id", flat=True)))


def restore_unsuccessful(operation: Operation, error: ApplicationError) -> None:
    """Leave the backups of a restore or an undo *ready*, and marked where their archive was found damaged."""
    backups_give_back(operation)
    volume_unmade(operation)
    if isinstance(error, ArchiveDamagedError):
        damage_note(operation_source(operation))
    # An unfinished safety backup is useless, and was never listed.
    unfinished = Backup.objects.filter(
        roles__operation=operation, roles__role=OperationRole.SAFETY, status=BackupStatus.CREATING
    )
    objects_condemn(backup_ids=list(unfinished.values_list("id", flat=True)))
    unfinished.delete()
