"""Deletes stored objects that are no longer needed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.core.cache import cache
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from common.errors import ApplicationError, KeyUnavailable
from repository.archive.object_keys import LISTING_SUFFIX, MANIFEST_SUFFIX
from repository.errors import RepositoryError
from repository.storage import Storage, StorageDenied, StorageError, StorageUnavailable, StorageUnsupported
from vault.errors import StorageUnavailableError
from vault.models import Asset, StorageTarget, StoredObject
from vault.services.opening import target_open
from vault.services.repositories import FOLDER, snapshot_delete
from vault.services.unreachable import target_unreachable

log = logging.getLogger(__name__)

GRACE = timedelta(hours=24)
"""The grace in which an interrupted write may still land. After it the key is deleted once more."""
BATCH = 500
SAID_SECONDS = 24 * 3600


def objects_condemn(*, backup_ids: Iterable[UUID], keep: str | None = None) -> None:
    """Mark the objects of these backups for deletion, except the one under the key `keep`."""
    rows = StoredObject.objects.filter(backup_id__in=backup_ids, condemned_at__isnull=True)
    rows.exclude(key=keep).update(condemned_at=timezone.now())


def objects_due() -> QuerySet[StoredObject]:
    """The objects to delete now: once when marked, and once more after the grace. Never an object of an asset."""
    needed = Asset.objects.filter(target=OuterRef("target"), key=OuterRef("key"))
    late = Q(condemned_at__lt=timezone.now() - GRACE)
    due = StoredObject.objects.filter(Q(swept_at__isnull=True) | late, condemned_at__isnull=False)
    return due.filter(~Exists(needed)).order_by("id")


def storage_sweep() -> int:
    """Delete due objects, a bounded batch; failed ones stay due. Return how many objects were deleted."""
    swept = 0
    for target in StorageTarget.objects.defer("secrets"):
        try:
            swept += target_sweep(target.id)
        except (StorageError, ApplicationError) as error:
            if isinstance(error, (StorageUnavailable, StorageDenied, StorageUnavailableError)):
                target_unreachable(target)
            # A target that is unreachable, or whose secrets cannot be decrypted, does not stop the sweep of the others.
            _say(target, f"the sweep was stopped: {error}")
        except Exception:
            log.exception("sweep of target %s failed", target.id)
    return swept


def target_sweep(target_id: UUID) -> int:
    """Sweep one target: a bounded batch of objects marked for deletion, and leftovers of interrupted uploads.

    Raises StorageUnavailable at the first call that cannot reach the target: every further call would wait as long.
    """
    swept, refused = 0, ""
    target = StorageTarget.objects.get(id=target_id)
    storage = target_open(target)
    # Locked objects stay due. The next sweep begins behind them, so that it reaches the others.
    begin = f"storage-sweep-from:{target_id}"
    rows = list(objects_due().filter(target=target_id, id__gt=cache.get(begin, 0))[:BATCH])
    for row in rows:
        try:
            object_delete(row, storage)
        except StorageError as error:
            if error.retryable:
                raise
            refused = str(error)
            continue
        except (RepositoryError, KeyUnavailable) as error:
            refused = f"{row.key}: {error}"
            continue
        swept += 1
    if refused:
        _say(target, f"objects that are due were not deleted: {refused}")
    cache.set(begin, rows[-1].id if len(rows) == BATCH else 0, timeout=SAID_SECONDS)
    try:
        storage.partials_sweep(older_than_seconds=GRACE.total_seconds())
    except StorageUnsupported:
        _say(target, "the service cannot list uploads: let a lifecycle rule of the bucket end incomplete ones")
    return swept


def _say(target: StorageTarget, words: str) -> None:
    """Log a message about a target, once a day."""
    said = hashlib.sha256(words.encode()).hexdigest()
    if cache.add(f"storage-sweep-said:{target.id}:{said}", "", timeout=SAID_SECONDS):
        log.warning("target %s (%s): %s", target.name, target.id, words)


def object_delete(row: StoredObject, storage: Storage) -> None:
    """Delete an archive or a snapshot. Of an archive the manifest goes first, so that no rebuild restores its row.

    Raises StorageError, and for a snapshot RepositoryError and KeyUnavailable when its repository does not open.
    """
    if row.key.startswith(FOLDER):
        snapshot_delete(key=row.key, target=row.target, storage=storage)
    else:
        storage.delete(row.key + MANIFEST_SUFFIX)
        storage.delete(row.key + LISTING_SUFFIX)
        storage.delete(row.key)
    now = timezone.now()
    if row.condemned_at is not None and row.condemned_at < now - GRACE:
        row.delete()
    else:
        StoredObject.objects.filter(id=row.id).update(swept_at=now)
