"""Whether a server has changed since its last backup, as its sidecar counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from backups import kinds
from backups.models import Backup, OperationRole
from backups.selectors import backups_last_good
from backups.services.sidecars import DATA
from operations.models import Operation
from orders.patterns import pattern_text
from sidecar_client.client import SidecarClient
from sidecar_client.values import Exclude

UNCHANGED = "unchanged"
"""The result of an operation that made no backup because nothing had changed."""
MARGIN = timedelta(minutes=1)
"""A change up to this time before the last backup counts, so that small differences of clocks lose none."""
BELIEVED = timedelta(days=7)
"""A backup this old is made anew whatever the change times say: a program can set them."""


def server_unchanged(*, backup: Backup, client: SidecarClient, exclude: Exclude) -> bool:
    """Whether the newest good backup of the server holds all that `backup` would hold.

    It is asked of the change times of all files, folders and links. In doubt the answer is no: without a good backup of
    the same format, when that one left out other files or could not capture some, and when the clocks of portal and
    sidecar differ. Raises what a sidecar fails with.
    """
    last = next(iter(backups_last_good(backup, count=1)), None)
    began = _began(last) if last is not None else None
    if last is None or began is None or timezone.now() - began > BELIEVED:
        return False
    if last.format != backup.format or last.warnings_total or last.excluded is None:
        return False
    since = int((began - MARGIN).timestamp() * 10**9)
    before = timezone.now()
    counted = client.backup_estimate(source=DATA, exclude=exclude, changed_since_ns=since, paths_limit=0)
    after = timezone.now()
    if not before - MARGIN / 2 <= _moment(counted.now_ns) <= after + MARGIN / 2:
        return False
    patterns = [pattern_text(found.pattern) for found in counted.patterns]
    same = (last.entries, last.content_bytes, last.excluded["patterns"]) == (counted.entries, counted.bytes, patterns)
    return same and counted.changed_entries == 0


def _began(last: Backup) -> datetime | None:
    """When the work on a backup began, before anything of it was read."""
    made = Operation.objects.filter(
        kind=kinds.CREATE.name, roles__backup=last, roles__role=OperationRole.SUBJECT, started_at__isnull=False
    ).first()
    return made.started_at if made is not None else None


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 10**9, tz=timezone.get_default_timezone())
