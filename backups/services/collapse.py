"""Collapsed servers: a backup of a server that lost most of its files is marked, and never counts as a good one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from backups.models import Backup
from backups.selectors import backups_last_good
from sidecar_client.values import Excluded

COMPARED: Final = 10
"""Good backups that a new one is compared with: a server that loses a little each time is noticed, too."""


def collapse_fields(
    *, backup: Backup, percent: int, entries: int, content_bytes: int, excluded: Excluded
) -> dict[str, Any]:
    """The columns of a new backup that tell whether its server had lost most content of one of the last good backups.

    percent: the share that may be lost, as the plan says; 0 marks nothing. excluded: what patterns left out, which the
    server has all the same. A backup without file content is marked also when there is no earlier one to compare with.
    """
    if not percent:
        return {"collapsed": False}
    has = entries + excluded.entries, content_bytes + excluded.bytes
    compared = list(_compared(backup))
    had = next((held for held in compared if any(map(_lost(percent), has, held))), None)
    if had is None and has[1]:
        return {"collapsed": False}
    had_entries, had_bytes = had or (compared[0] if compared else (None, None))
    return {"collapsed": True, "had_entries": had_entries, "had_bytes": had_bytes}


def _compared(backup: Backup) -> Iterator[tuple[int, int]]:
    """The entries and bytes of the server at its last good backups, the newest first, with those left out by patterns.

    The last one is a backup of which a person said that the server was meant to be so small.
    """
    for good in backups_last_good(backup, count=COMPARED):
        if good.entries is not None and good.content_bytes is not None:
            excluded = good.excluded or {}
            yield good.entries + excluded.get("entries", 0), good.content_bytes + excluded.get("bytes", 0)
        if good.had_entries is not None:
            break


def _lost(percent: int) -> Callable[[int, int], bool]:
    return lambda count, had: (had - count) * 100 > had * percent
