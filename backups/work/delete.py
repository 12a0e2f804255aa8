"""The delete: manifest, object, asset, row, in this order, with retries until all are gone."""

from __future__ import annotations

import logging

from django.utils import timezone

from backups.models import Backup
from backups.services.roles import operation_subject
from common.errors import KeyUnavailable
from operations.models import Operation
from operations.work.lease import Lease, operation_succeeds
from operations.work.retry import Postponed, backoff_seconds
from repository.errors import RepositoryError
from repository.storage import StorageError
from vault.models import Asset, StoredObject
from vault.services.opening import target_open
from vault.services.sweep import object_delete

log = logging.getLogger(__name__)


def delete_run(operation: Operation, lease: Lease) -> None:
    """Delete the objects of a tombstoned backup, then its rows; a storage that fails is tried again."""
    backup = operation_subject(operation)
    if backup.deleted_at is None:
        raise RuntimeError(f"backup {backup.id} is to be deleted but carries no tombstone")
    StoredObject.objects.filter(backup_id=backup.id, condemned_at__isnull=True).update(condemned_at=timezone.now())
    for row in StoredObject.objects.filter(backup_id=backup.id).select_related("target"):
        lease.checkpoint()
        try:
            object_delete(row, target_open(row.target, checkpoint=lease.checkpoint))
        except (StorageError, RepositoryError, KeyUnavailable) as error:
            log.warning("delete of %s postponed: %s", row.key, type(error).__name__)
            raise Postponed(seconds=backoff_seconds(operation.attempts), counts=True) from error
    with operation_succeeds(operation):
        assets = list(Asset.objects.filter(backup=backup))
        Backup.objects.filter(id=backup.id).delete()
        for asset in assets:
            asset.delete()
