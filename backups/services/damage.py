"""Damage in stored backups, as restores, downloads and verifications find it: a mark, and a finding for staff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from accounts.services.audit import audit_record
from backups.models import Backup, Finding, Invariant
from common.clock import database_now
from common.states import compare_and_set
from orders.models import BackupFormat
from vault.errors import ArchiveDamagedError

READ_DAMAGED = "archive_read_damaged"
"""The finding that holds the mark, until a complete reading of the archive succeeds."""
SNAPSHOT_DAMAGED = "snapshot_damaged"
"""The finding that holds the mark, until a verification finds the snapshot whole."""


@contextmanager
def damage_noted(backup: Backup) -> Iterator[None]:
    """Mark the backup as degraded when a damaged archive ends the block."""
    try:
        yield
    except ArchiveDamagedError:
        damage_note(backup)
        raise


def damage_note(backup: Backup, *, code: str = READ_DAMAGED, **params: int) -> None:
    """Mark a backup as degraded after its content was read and found damaged."""
    with transaction.atomic():
        same = Backup.objects.filter(id=backup.id, asset=backup.asset_id, deleted_at__isnull=True)
        if not same.exists():
            return
        now = database_now()
        finding, new = Finding.objects.get_or_create(
            code=code,
            object_type="backup",
            object_id=backup.id,
            key="",
            gone_at=None,
            defaults={
                "invariant": Invariant.I1, "first_seen_at": now, "last_seen_at": now, "confirmed_at": now,
                "repaired_at": now, "params": params,
            },
        )  # fmt: skip
        if not new:
            Finding.objects.filter(id=finding.id).update(last_seen_at=now, params=params)
        compare_and_set(same.filter(degraded=False), degraded=True)
        if new:
            audit_record(actor=None, action="backup.degrade", order_id=backup.order_id, object_id=backup.id)


def damage_over(backup: Backup) -> None:
    """Take the mark back after the whole archive was read and was right, unless another finding holds it.

    A restore reads only a part of a snapshot: its mark stays until a verification.
    """
    if backup.format == BackupFormat.ARCHIVE:
        damage_healed(backup)


def damage_healed(backup: Backup) -> None:
    """Take the mark back after a backup was found whole, unless another finding holds it."""
    with transaction.atomic():
        marks = Finding.objects.filter(object_type="backup", object_id=backup.id, gone_at=None)
        noted = marks.filter(code__in=[READ_DAMAGED, SNAPSHOT_DAMAGED]).update(gone_at=database_now())
        if noted and not marks.filter(repaired_at__isnull=False).exists():
            compare_and_set(Backup.objects.filter(id=backup.id, degraded=True), degraded=False)
