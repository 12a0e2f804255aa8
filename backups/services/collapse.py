"""Collapsed servers: a backup of a server that lost most of its files is marked, and never counts as a good one."""

from __future__ import annotations

from typing import Any

from backups.models import Backup
from backups.selectors import backup_last_good


def collapse_fields(*, backup: Backup, percent: int, entries: int, content_bytes: int) -> dict[str, Any]:
    """The columns of a new backup that tell whether its server had lost most content of the last good backup.

    percent: the share that may be lost, as the plan says; 0 marks nothing. A backup without file content is marked
    also when there is no earlier one to compare with.
    """
    if not percent:
        return {"collapsed": False}
    good = backup_last_good(backup)
    had_entries, had_bytes = (good.entries, good.content_bytes) if good else (None, None)
    lost = _lost(entries, had_entries, percent=percent) or _lost(content_bytes, had_bytes, percent=percent)
    if not lost and content_bytes:
        return {"collapsed": False}
    return {"collapsed": True, "had_entries": had_entries, "had_bytes": had_bytes}


def _lost(count: int, had: int | None, *, percent: int) -> bool:
    return had is not None and (had - count) * 100 > had * percent
