"""Verifications of archives by schedule: all bytes of each are read again after some time.

A snapshot needs none of this: the upkeep of its repository reads a share of all data every day.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from backups import kinds
from backups.models import Backup, Depth, OperationBackup
from backups.services.stored import USABLE
from backups.services.verification import verification_start
from common.clock import database_now
from common.locks import row_lock
from operations.models import LIVE_STATES, Operation
from orders.models import BackupFormat, Order

READ_AFTER = timedelta(days=28)
"""An archive is read again when the last time, or else its creation, is so long ago."""
CHECKED_AT_ONCE = 4
"""Verifications of archives that are queued or running because they were due."""
LOOKED_AT = 200
"""Archives that one run looks at."""
TRIED_AGAIN = timedelta(days=1)
"""A verification that failed, say because the storage is away, is tried again after this time."""


def archives_check_due() -> int:
    """Start the verifications of archives that are due, those that waited longest first; return how many."""
    now = database_now()
    live = Operation.objects.filter(
        kind=kinds.VERIFY.name,
        params__depth=Depth.DATA.value,
        order__isnull=False,
        requested_by=None,
        state__in=LIVE_STATES,
    )
    room = CHECKED_AT_ONCE - live.count()
    started = 0
    for backup_id, order_id in list(archives_due(now).values_list("id", "order_id")[:LOOKED_AT]):
        if started >= room:
            break
        started += _begin(backup_id, order_id, now)
    return started


def archives_due(now: datetime) -> QuerySet[Backup]:
    """The archives that were not read for long, except those that were looked at just now."""
    lately = OperationBackup.objects.filter(
        backup=OuterRef("pk"), operation__kind=kinds.VERIFY.name, operation__created_at__gt=now - TRIED_AGAIN
    )
    return (
        Backup.objects.filter(~Exists(lately), format=BackupFormat.ARCHIVE, status__in=USABLE, deleted_at__isnull=True)
        .annotate(since=Coalesce(F("read_at"), F("completed_at")))
        .filter(since__lte=now - READ_AFTER)
        .order_by("since")
    )


def _begin(backup_id: UUID, order_id: UUID, now: datetime) -> bool:
    """Start one verification, unless the order works or the archive is no longer due; return whether it was started."""
    with transaction.atomic():
        order = row_lock(Order.objects.select_related("customer", "plan").filter(id=order_id))
        if order is None or Operation.objects.filter(order=order, state__in=LIVE_STATES).exists():
            return False
        backup = archives_due(now).filter(id=backup_id).first()
        if backup is None:
            return False
        verification_start(order=order, backup=backup, depth=Depth.DATA, user=None)
    return True
