"""I1: every ready backup has its archive or the root of its snapshot in storage, as large as it was when it was stored,
and an archive opens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.core.cache import cache
from django.db.models import QuerySet

from backups.models import Backup, BackupStatus, Finding, Invariant
from backups.reconcile.checks import Check, CheckScope, Unchecked, Violation, rows_of
from backups.reconcile.storages import Storages, object_size
from backups.reconcile.wording import Code
from common.errors import ApplicationError
from common.states import compare_and_set
from repository.archive.object_keys import LISTING_SUFFIX, MANIFEST_SUFFIX
from repository.storage import Storage, StorageError
from vault.errors import ArchiveDamagedError
from vault.models import Asset
from vault.services.opening import asset_open

DEGRADING = frozenset({Code.ARCHIVE_MISSING, Code.ARCHIVE_SIZE, Code.ARCHIVE_DAMAGED, Code.ARCHIVE_READ_DAMAGED})
REACHED = "reconcile-archives-reached"
"""The position at which a check that ran out of time continues."""
SAMPLE = 24
"""An hourly check opens one in this many archives, others each hour."""


def archives_find(scope: CheckScope) -> Iterator[Violation | Unchecked]:
    """I1. Asks the storage about every usable backup, or about as many as there is time for."""
    storages = Storages()
    known = _known_damaged()
    for backup in _backups(scope):
        asset = _asset(backup)
        try:
            storage = storages.open(asset.target_id)
            if storage is None:
                continue
            depth = _depth(scope, backup, known=backup.id in known)
            differences = list(_differences(backup, asset, storage, depth))
        except (StorageError, ApplicationError) as error:
            yield storages.failed(asset.target_id, error)
            continue
        # A backup that was deleted meanwhile is no finding.
        if differences and usable(backup.id).filter(asset=asset).exists():
            yield from differences


def usable(backup_id: UUID) -> QuerySet[Backup]:
    """The backup, if it is one that must restore."""
    return _usable().filter(id=backup_id)


def _usable() -> QuerySet[Backup]:
    return Backup.objects.filter(status__in=[BackupStatus.READY, BackupStatus.RESTORING], deleted_at__isnull=True)


def _backups(scope: CheckScope) -> Iterator[Backup]:
    rows = _usable().filter(**scope.of("backup")).select_related("asset").defer("warnings")
    if scope.until is None or scope.only is not None:
        yield from rows_of(rows)
        return
    reached: UUID | None = cache.get(REACHED)
    for backup in rows_of(rows, after=reached):
        if time.monotonic() > scope.until:
            cache.set(REACHED, reached, timeout=None)
            return
        yield backup
        reached = backup.id
    cache.delete(REACHED)


@dataclass(frozen=True, slots=True)
class _Depth:
    """How thoroughly an archive is checked. known: an open finding says that its bytes were read and are damaged."""

    ends: bool = False
    whole: bool = False
    known: bool = False


def _known_damaged() -> set[UUID]:
    noted = Finding.objects.filter(code=Code.ARCHIVE_READ_DAMAGED, gone_at__isnull=True)
    return set(noted.values_list("object_id", flat=True))


def _depth(scope: CheckScope, backup: Backup, *, known: bool) -> _Depth:
    if scope.only is not None:
        return _depth_of(scope.only)
    ends = scope.deep or (scope.until is not None and backup.id.int % SAMPLE == scope.now.hour)
    # Only its hash verifies a plain archive, and only a complete reading one that was found damaged.
    plain = backup.asset is not None and not backup.asset.sealed
    return _Depth(ends=ends, whole=scope.deep and (plain or known), known=known)


def _depth_of(finding: Finding) -> _Depth:
    """As thoroughly as is needed to confirm the finding."""
    read = finding.code == Code.ARCHIVE_READ_DAMAGED
    return _Depth(ends=finding.code == Code.ARCHIVE_DAMAGED, whole=read, known=read)


def _checked(asset: Asset, depth: _Depth) -> _Depth:
    """The depth for an asset: only verifications open a snapshot, and take back what a restore found in it."""
    return depth if asset.repository_id is None else _Depth(known=depth.known)


def _differences(backup: Backup, asset: Asset, storage: Storage, depth: _Depth) -> Iterator[Violation]:
    depth = _checked(asset, depth)
    size = object_size(storage, asset.key)
    if size is None:
        yield _seen(backup, Code.ARCHIVE_MISSING)
    elif size != asset.stored_bytes:
        yield _seen(backup, Code.ARCHIVE_SIZE, found=size, expected=asset.stored_bytes)
    elif depth.ends and _damaged(asset, (0, 1), (max(0, (asset.size_bytes or 0) - 1), None)):
        yield _seen(backup, Code.ARCHIVE_DAMAGED)
    if _damaged(asset, (0, None)) if depth.whole and size == asset.stored_bytes else depth.known:
        yield _seen(backup, Code.ARCHIVE_READ_DAMAGED)
    if asset.repository_id is None:
        yield from _companions(backup, asset, storage)
    elif backup.damaged is not None:
        # As the last verification left it. A backup that is gone takes its finding along.
        yield _seen(backup, Code.SNAPSHOT_DAMAGED, files=backup.damaged["files"] or 0)


def _companions(backup: Backup, asset: Asset, storage: Storage) -> Iterator[Violation]:
    if object_size(storage, asset.key + MANIFEST_SUFFIX) is None:
        yield _seen(backup, Code.MANIFEST_MISSING)
    listing = backup.listing_bytes
    if listing is not None and object_size(storage, asset.key + LISTING_SUFFIX) != listing:
        yield _seen(backup, Code.LISTING_MISSING)


def _damaged(asset: Asset, *parts: tuple[int, int | None]) -> bool:
    """Whether any of these parts does not open. Raises KeyUnavailable, which says nothing of the bytes."""
    try:
        reader = asset_open(asset)
        for start, stop in parts:
            for _ in reader.read(start, stop):
                pass
    except ArchiveDamagedError:
        return True
    return False


def _asset(backup: Backup) -> Asset:
    asset = backup.asset
    if asset is None:
        raise RuntimeError(f"backup {backup.id} is usable without an asset, which the database refuses")
    return asset


def _seen(backup: Backup, code: Code, **params: int) -> Violation:
    return Violation(code=code, object_type="backup", object_id=backup.id, params=dict(params))


def archive_degrade(finding: Finding) -> bool:
    """Mark the backup as degraded, after asking its storage once more. Return whether this call set the mark."""
    backup = usable(finding.object_id).select_related("asset").first()
    if finding.code not in DEGRADING or backup is None:
        return False
    if finding.code == Code.ARCHIVE_READ_DAMAGED and finding.repaired_at is not None and backup.degraded:
        # An archive known to be damaged is not read to its end again at every check.
        return False
    if not _still(backup, finding):
        return False
    unmarked = usable(backup.id).filter(asset=backup.asset, degraded=False)
    if compare_and_set(unmarked, degraded=True):
        return True
    # Any other mark was set after reading more than this check reads, so it stays.
    return _siblings(finding).filter(repaired_at__isnull=False).exists()


def archive_restored(finding: Finding) -> None:
    """Take back a mark that a repair set, once nothing else is wrong with the archive."""
    if finding.repaired_at is not None and not _siblings(finding).filter(gone_at__isnull=True).exists():
        compare_and_set(Backup.objects.filter(id=finding.object_id, degraded=True), degraded=False)


def _still(backup: Backup, finding: Finding) -> bool:
    asset = _asset(backup)
    try:
        storage = Storages().open(asset.target_id)
        return storage is not None and any(
            seen.same_as(finding) for seen in _differences(backup, asset, storage, _depth_of(finding))
        )
    except (StorageError, ApplicationError):
        return False


def _siblings(finding: Finding) -> QuerySet[Finding]:
    codes = DEGRADING | {Code.SNAPSHOT_DAMAGED}
    same = Finding.objects.filter(object_id=finding.object_id, object_type="backup", code__in=codes)
    return same.exclude(id=finding.id)


CHECKS = (
    Check(
        invariant=Invariant.I1,
        codes=DEGRADING | {Code.SNAPSHOT_DAMAGED, Code.MANIFEST_MISSING, Code.LISTING_MISSING},
        find=archives_find,
        repair=archive_degrade,
        cleared=archive_restored,
        unattended=True,
    ),
)
