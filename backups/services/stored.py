"""The snapshots of backups in a repository."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from backups.models import Backup, BackupStatus
from vault.models import Repository
from vault.services.repositories import snapshot_id

SAMPLED = 20
"""So many new snapshots are verified by one operation."""
NEW = timedelta(days=2)
"""Older backups are verified by the daily shares."""
AGAIN = timedelta(hours=6)
USABLE = [BackupStatus.READY, BackupStatus.RESTORING]


def snapshots_expected(row: Repository) -> frozenset[bytes]:
    """The snapshots that a repository must list: those of backups that were not deleted."""
    return frozenset(backups_by_snapshot(row))


def backups_by_snapshot(row: Repository) -> dict[bytes, Backup]:
    """The usable backups in a repository, by their snapshots."""
    rows = Backup.objects.filter(asset__repository=row, status__in=USABLE, deleted_at__isnull=True)
    found = ((backup.asset, backup) for backup in rows.select_related("asset").defer("warnings"))
    return {snapshot_id(asset.key): backup for asset, backup in found if asset is not None}


def snapshots_unverified(row: Repository) -> frozenset[bytes]:
    """The snapshots of a bounded number of backups that were never verified, or found damaged by reading alone."""
    rows = _unverified().filter(asset__repository=row).order_by("completed_at").values_list("asset__key", flat=True)
    return frozenset(snapshot_id(key) for key in rows[:SAMPLED])


def repositories_unverified() -> set[UUID]:
    """The repositories with such backups."""
    return set(_unverified().filter(asset__repository__isnull=False).values_list("asset__repository", flat=True))


def _unverified() -> QuerySet[Backup]:
    again = timezone.now() - AGAIN
    new = Q(proof__isnull=True, completed_at__gt=timezone.now() - NEW)
    unnamed = Q(degraded=True, damaged__isnull=True) & (Q(verified_at__isnull=True) | Q(verified_at__lt=again))
    return Backup.objects.filter(new | unnamed, status__in=USABLE, deleted_at__isnull=True)
