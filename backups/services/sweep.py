"""Taking out of storage what nothing needs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from backups.models import Asset, StorageTarget, StoredObject
from backups.services.archives import MANIFEST_SUFFIX, target_open
from common.idempotency import idempotency_expire
from repository.storage import Storage, StorageError

log = logging.getLogger(__name__)

GRACE = timedelta(hours=24)
"""How long a write that was cut off may still land; its key is swept once more when that is over."""
BATCH = 500


def objects_doom(*, backup_ids: Iterable[UUID], keep: str | None = None) -> None:
    """Let the sweep take every object these backups have in storage, save the one under the key `keep`."""
    rows = StoredObject.objects.filter(backup_id__in=backup_ids, doomed_at__isnull=True)
    rows.exclude(key=keep).update(doomed_at=timezone.now())


def objects_due() -> QuerySet[StoredObject]:
    """Doomed objects to delete now: at once, and once more after the grace. Never one that an asset names."""
    needed = Asset.objects.filter(target=OuterRef("target"), key=OuterRef("key"))
    late = Q(doomed_at__lt=timezone.now() - GRACE)
    due = StoredObject.objects.filter(Q(swept_at__isnull=True) | late, doomed_at__isnull=False)
    return due.filter(~Exists(needed)).select_related("target").order_by("id")


def storage_sweep() -> int:
    """Delete what is due, a bounded batch; what fails stays due. Return how many objects were deleted."""
    idempotency_expire()
    swept = 0
    open_targets: dict[UUID, Storage] = {}
    for row in objects_due()[:BATCH]:
        storage = open_targets.setdefault(row.target_id, target_open(row.target))
        try:
            object_delete(row, storage)
        except StorageError as error:
            log.warning("sweep of %s on %s failed: %s", row.key, row.target, type(error).__name__)
            continue
        swept += 1
    for target in StorageTarget.objects.all():
        _partials_sweep(target, open_targets)
    return swept


def object_delete(row: StoredObject, storage: Storage) -> None:
    """Delete an archive: its manifest first, so that no rebuild brings it back. Raises StorageError."""
    storage.delete(row.key + MANIFEST_SUFFIX)
    storage.delete(row.key)
    now = timezone.now()
    if row.doomed_at is not None and row.doomed_at < now - GRACE:
        row.delete()
    else:
        StoredObject.objects.filter(id=row.id).update(swept_at=now)


def _partials_sweep(target: StorageTarget, open_targets: dict[UUID, Storage]) -> None:
    """Take what uploads that were cut off left half-written."""
    storage = open_targets.setdefault(target.id, target_open(target))
    try:
        storage.partials_sweep(older_than_seconds=GRACE.total_seconds())
    except StorageError as error:
        log.warning("sweep of half-written uploads on %s failed: %s", target, type(error).__name__)
