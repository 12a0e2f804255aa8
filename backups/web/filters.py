"""The filters of the order page: by status, tag, schedule and words, as its address has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext_lazy

from backups.filters import BackupFilter
from backups.labels import TAG_LENGTH_MAX
from backups.models import Backup, BackupStatus
from common.names import NAME_LENGTH_MAX
from common.paging import CURSOR

STATUSES = {
    "": (gettext_lazy("All"), list(BackupStatus)),
    "ready": (gettext_lazy("Ready"), [BackupStatus.READY]),
    "active": (gettext_lazy("In progress"), [BackupStatus.CREATING, BackupStatus.RESTORING]),
    "failed": (gettext_lazy("Failed"), [BackupStatus.FAILED]),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One choice of which backups are listed."""

    label: str
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFilter:
    """The filters in an address; what cannot be meant is left out."""

    status: str = ""
    tag: str = ""
    schedule: str = ""
    search: str = ""

    def __bool__(self) -> bool:
        """Whether anything is left out of the list."""
        return bool(self.status or self.tag or self.schedule or self.search)

    def backups(self) -> BackupFilter:
        """The filter of the rows."""
        return BackupFilter(
            statuses=STATUSES[self.status][1] if self.status else (),
            tag=self.tag,
            schedule=UUID(self.schedule) if self.schedule else None,
            search=self.search,
        )

    def address(self, path: str, *, cursor: str | None = None) -> str:
        """The address of a page of the list."""
        pairs = [(name, getattr(self, name)) for name in ("status", "tag", "schedule", "search")]
        query = {name: value for name, value in (*pairs, (CURSOR, cursor)) if value}
        return f"{path}?{urlencode(query)}" if query else path

    def by_status(self, path: str) -> tuple[Filter, ...]:
        """The choices of a status, beside the other filters."""
        return tuple(
            Filter(label=str(label), address=replace(self, status=name).address(path), chosen=name == self.status)
            for name, (label, _statuses) in STATUSES.items()
        )

    def tags(self, rows: Iterable[Backup]) -> tuple[str, ...]:
        """The tags to choose from: those of the rows that are shown, and the chosen one."""
        found = {tag for row in rows for tag in row.tags} | ({self.tag} if self.tag else set())
        return tuple(sorted(found, key=str.casefold))


def page_filter(query: QueryDict) -> PageFilter:
    """The filters that an address asks for."""
    status, schedule = query.get("status", ""), query.get("schedule", "")
    try:
        schedule = str(UUID(schedule)) if schedule else ""
    except ValueError:
        schedule = ""
    return PageFilter(
        status=status if status in STATUSES else "",
        tag=query.get("tag", "").strip()[:TAG_LENGTH_MAX],
        schedule=schedule,
        search=query.get("search", "").replace("\0", "").strip()[:NAME_LENGTH_MAX],
    )
