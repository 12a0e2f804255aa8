"""I6: nothing lies in storage without a row that owns it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.services.audit import audit_record
from backups.models import Backup, BackupStatus, Finding, Invariant
from backups.reconcile.checks import BATCH, SETTLED, Check, CheckScope, Unchecked, Violation, rows_of
from backups.reconcile.storages import Storages, archive_of, object_size
from backups.reconcile.wording import Code
from common.errors import ApplicationError
from common.locks import row_lock
from common.states import compare_and_set
from repository.archive.object_keys import FOLDER, MANIFEST_SUFFIX, SUFFIXES, archive_backup
from repository.storage import Storage, StorageError
from vault.models import Asset, StorageTarget, StoredObject
from vault.services.sweep import GRACE

LISTED_HOURS = 6
"""An hourly check lists the storages once in this many hours: a listing takes a call for each thousand objects."""


def unowned_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I6, from the storage's side: every object belongs to an archive that a row names."""
    if scope.until is not None and scope.now.hour % LISTED_HOURS:
        return
    storages = Storages()
    targets = {"id": scope.only.object_id} if scope.only else {}
    for target_id in StorageTarget.objects.filter(**targets).values_list("id", flat=True):
        try:
            storage = storages.open(target_id)
            if storage is not None:
                keys = iter([scope.only.key]) if scope.only else _listed(target_id, storage)
                yield from _unowned(target_id, storage, keys)
        except (StorageError, ApplicationError) as error:
            yield storages.failed(target_id, error)


def _listed(target_id: UUID, storage: Storage) -> Iterator[str]:
    """The archives of a target. Raises StorageError when the list is empty and rows say that it cannot be."""
    listed = Asset.objects.filter(target=target_id, key__startswith=FOLDER, backup__deleted_at__isnull=True)
    expected = listed.filter(backup__isnull=False).values_list("id", flat=True).first()
    empty = True
    for found in storage.list(FOLDER):
        empty = False
        yield archive_of(found.key)
    # The last backup may have been deleted while we asked.
    if empty and expected is not None and listed.filter(backup__isnull=False, id=expected).exists():
        raise StorageError("the list is empty, and archives should be there")


def _unowned(target_id: UUID, storage: Storage, keys: Iterator[str]) -> Iterator[Violation]:
    while batch := set(islice(keys, BATCH)):
        for key in sorted(batch - _owned(target_id, batch)):
            # A row is written before the first byte, and deleted after the last, so these objects have none.
            if (code := _kind_of(storage, key)) is not None:
                yield Violation(code=code, object_type="target", object_id=target_id, key=key)


def _owned(target_id: UUID, keys: Collection[str]) -> set[str]:
    rows = {"target": target_id, "key__in": keys}
    stored = StoredObject.objects.filter(**rows).values_list("key", flat=True)
    return set(stored.union(Asset.objects.filter(**rows).values_list("key", flat=True)))


def _kind_of(storage: Storage, key: str) -> Code | None:
    """The state of an object without a row.

    A whole archive may be all that a customer has. None when nothing is there.
    """
    archive = object_size(storage, key) is not None
    manifest = object_size(storage, key + MANIFEST_SUFFIX) is not None
    beside = manifest or any(object_size(storage, key + suffix) is not None for suffix in SUFFIXES)
    if not archive and not beside:
        return None
    if archive_backup(key) is None:
        return Code.OBJECT_FOREIGN
    return Code.ARCHIVE_UNOWNED if manifest else Code.OBJECT_UNOWNED


def unowned_doom(finding: Finding) -> bool:
    """Create a row, marked for deletion, for an unfinished archive. Return whether there is one now."""
    backup_id = archive_backup(finding.key)
    target = StorageTarget.objects.defer("secrets").filter(id=finding.object_id).first()
    if finding.code != Code.OBJECT_UNOWNED or backup_id is None or target is None:
        return False
    if not _unfinished(target.id, finding.key):
        return False
    with transaction.atomic():
        creating = Backup.objects.filter(id=backup_id, status=BackupStatus.CREATING)
        if creating.exists() or _owned(target.id, [finding.key]):
            return False
        values = {"backup_id": backup_id, "condemned_at": timezone.now()}
        _, made = StoredObject.objects.get_or_create(target=target, key=finding.key, defaults=values)
        if made:
            audit_record(actor=None, action="reconcile.object_doom", object_id=backup_id, key=finding.key)
    return made


def _unfinished(target_id: UUID, key: str) -> bool:
    """Whether the storage, asked once more, has this object and no manifest beside it. A failure is no answer."""
    try:
        storage = Storages().open(target_id)
        return storage is not None and _kind_of(storage, key) == Code.OBJECT_UNOWNED
    except (StorageError, ApplicationError):
        return False


def owners_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I6, from the database's side: rows that keep an archive without a backup."""
    targets = {"target": scope.only.object_id, "key": scope.only.key} if scope.only else {}
    for row in rows_of(_ownerless().filter(created_at__lt=scope.now - SETTLED, **targets)):
        yield Violation(code=Code.OWNER_GONE, object_type="target", object_id=row.target_id, key=row.key)


def _ownerless() -> QuerySet[StoredObject]:
    backup = Backup.objects.filter(id=OuterRef("backup_id"))
    asset = Asset.objects.filter(target=OuterRef("target"), key=OuterRef("key"))
    return StoredObject.objects.filter(~Exists(backup), ~Exists(asset), condemned_at__isnull=True)


def owner_doom(finding: Finding) -> bool:
    """Mark an archive whose backup is gone for deletion. Return whether it was still kept."""
    with transaction.atomic():
        row = _ownerless().filter(target=finding.object_id, key=finding.key)
        done = compare_and_set(row, condemned_at=timezone.now())
        if done:
            audit_record(actor=None, action="reconcile.object_doom", key=finding.key)
    return done


def assets_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I6: downloads whose backup is gone."""
    alone = Asset.objects.filter(backup__isnull=True, created_at__lt=scope.now - SETTLED, **scope.of("asset"))
    for asset in rows_of(alone):
        yield Violation(code=Code.ASSET_ALONE, object_type="asset", object_id=asset.id)


def asset_remove(finding: Finding) -> bool:
    """Remove a download that no backup has; the row that owns its archive is the next finding."""
    with transaction.atomic():
        asset = row_lock(Asset.objects.filter(id=finding.object_id, backup__isnull=True))
        if asset is None:
            return False
        audit_record(actor=None, action="reconcile.asset_remove", object_id=asset.id, key=asset.key)
        # The database refuses if a backup has taken it meanwhile.
        asset.delete()
    return True


def ownership_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I6: archives of backups that a delete would leave behind."""
    for backup in rows_of(_unguarded().filter(**scope.of("backup"))):
        yield Violation(code=Code.OWNER_MISSING, object_type="backup", object_id=backup.id)


def _unguarded() -> QuerySet[Backup]:
    owner = StoredObject.objects.filter(target=OuterRef("asset__target"), key=OuterRef("asset__key"))
    owned = Backup.objects.filter(asset__isnull=False, deleted_at__isnull=True).filter(~Exists(owner))
    return owned.select_related("asset").defer("warnings")


def owner_write(finding: Finding) -> bool:
    """Write the row that owns a backup's archive. Return whether it was missing."""
    with transaction.atomic():
        backup = row_lock(_unguarded().filter(id=finding.object_id))
        if backup is None or backup.asset is None:
            return False
        asset, values = backup.asset, {"backup_id": backup.id}
        return StoredObject.objects.get_or_create(target_id=asset.target_id, key=asset.key, defaults=values)[1]


CHECKS = (
    Check(
        invariant=Invariant.I6,
        codes=frozenset({Code.OBJECT_UNOWNED, Code.ARCHIVE_UNOWNED, Code.OBJECT_FOREIGN}),
        find=unowned_find,
        repair=unowned_doom,
        grace=GRACE,
    ),
    Check(
        invariant=Invariant.I6,
        codes=frozenset({Code.ASSET_ALONE}),
        find=assets_find,
        repair=asset_remove,
    ),
    Check(
        invariant=Invariant.I6,
        codes=frozenset({Code.OWNER_GONE}),
        find=owners_find,
        repair=owner_doom,
    ),
    Check(
        invariant=Invariant.I6,
        codes=frozenset({Code.OWNER_MISSING}),
        find=ownership_find,
        repair=owner_write,
        unattended=True,
    ),
)
