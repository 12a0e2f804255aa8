"""Backups of a server by their age."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from backups.models import Backup
from tests.factories import BackupFactory

READ = {"ok": True, "depth": "sample", "at": "2026-11-30T12:00:00Z", "seconds": 0.1, "counted": {"files": 1}}


def aged(rental, *, hours, **values):
    """A backup of that age."""
    made = BackupFactory(provision=rental.server, **values)
    Backup.objects.filter(id=made.id).update(created_at=timezone.now() - timedelta(hours=hours))
    return made


def of_schedule(rental, schedule, count, **newest):
    """So many backups of a schedule, an hour apart, the oldest first; the newest was read back."""
    made = [aged(rental, hours=count - number, schedule_id=schedule.id) for number in range(count)]
    Backup.objects.filter(id=made[-1].id).update(**{"proof": READ, **newest})
    return made


def left():
    return set(Backup.objects.filter(deleted_at__isnull=True).values_list("id", flat=True))


def ids(backups):
    return {backup.id for backup in backups}
