"""Filters of lists of backups: by status, source, tag, schedule and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from backups.models import Backup


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFilter:
    """The backups that a list shows; an empty value shows all. search: words of the name or the notes."""

    statuses: Sequence[str] = ()
    source: str = ""
    tag: str = ""
    schedule: UUID | None = None
    search: str = ""

    def __bool__(self) -> bool:
        """Whether anything is left out."""
        return bool(self.statuses or self.source or self.tag or self.schedule or self.search)

    def of(self, backups: QuerySet[Backup]) -> QuerySet[Backup]:
        """Those of `backups` that match."""
        wanted = Q()
        if self.statuses:
            wanted &= Q(status__in=self.statuses)
        if self.source:
            wanted &= Q(source=self.source)
        if self.schedule:
            wanted &= Q(schedule_id=self.schedule)
        if self.search:
            wanted &= Q(name__icontains=self.search) | Q(notes__icontains=self.search)
        found = backups.filter(wanted)
        return _tagged(found, self.tag) if self.tag else found


def _tagged(backups: QuerySet[Backup], tag: str) -> QuerySet[Backup]:
    if connection.features.supports_json_field_contains:
        return backups.filter(tags__contains=[tag])
    tagged = RawSQL(
        "EXISTS (SELECT 1 FROM json_each(backups_backup.tags) WHERE value = %s)", [tag]
    )  # the tag is a parameter
    return backups.alias(is_tagged=tagged).filter(is_tagged=True)
