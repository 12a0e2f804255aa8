"""Collapsed servers: a backup of a server that lost most of its files is marked, and never counts as a good one."""

from __future__ import annotations

from typing import Any

from backups.models import Backup
from backups.selectors import backup_last_good
from sidecar_client.values import Excluded


def collapse_fields(
    *, backup: Backup, percent: int, entries: int, content_bytes: int, excluded: Excluded
) -> dict[str, Any]:
    """The columns of a new backup that tell whether its server had lost most content of the last good backup.

    percent: the share that may be lost, as the plan says; 0 marks nothing. excluded: what patterns left out, which the
    server has all the same. A backup without file content is marked
    also when there is no earlier one to compare with.
    """
    if not percent:
        return {"collapsed": False}
    good = backup_last_good(backup)
    had_entries, had_bytes = _held(good)
    has_entries, has_bytes = entries + excluded.entries, content_bytes + excluded.bytes
    lost = _lost(has_entries, had_entries, percent=percent) or _lost(has_bytes, had_bytes, percent=percent)
    if not lost and has_bytes:
        return {"collapsed": False}
    return {"collapsed": True, "had_entries": had_entries, "had_bytes": had_bytes}


def _held(good: Backup | None) -> tuple[int | None, int | None]:
    """The entries and bytes of the server at a backup, with those that patterns left out; None where not known."""
    if good is None or good.entries is None or good.content_bytes is None:
        return None, None
    excluded = good.excluded or {}
    return good.entries + excluded.get("entries", 0), good.content_bytes + excluded.get("bytes", 0)


def _lost(count: int, had: int | None, *, percent: int) -> bool:
    return had is not None and (had - count) * 100 > had * percent
