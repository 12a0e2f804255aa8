"""Triggers: backups that programs ask for when something is about to happen to a server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from backups.errors import BackupNotFound, OperationInProgress
from backups.models import Backup, BackupStatus
from backups.services.backups import backup_create, default_name
from common.idempotency import IdempotencyKey
from orders.models import Order
from orders.selectors import order_get
from provisions.errors import NotAPrimaryDeployment
from provisions.selectors import provisions_of

WAIT_SECONDS_MAX = 300
WAITING_MAX = 2
"""So many requests of one customer wait at a time in a process; a further one is answered at once. Each holds a thread.
"""
LOOK_SECONDS = 0.5
TAG = "update"

_waiting: Counter[UUID] = Counter()
_lock = threading.Lock()


def update_backup(*, user: User, order_id: UUID, seconds: float, idempotency: IdempotencyKey | None) -> Backup:
    """Back up an order's server before an update of its game; return the backup as it is once it has ended, or after
    so many seconds.

    In that time it also waits for the end of another operation. It asks the database again and again, in no
    transaction. Raises OrderNotFound, NotAPrimaryDeployment for an order without a server, what `backup_create` raises,
    and BackupNotFound when the backup was deleted meanwhile.
    """
    order = order_get(user=user, order_id=order_id)
    with _may_wait(order.customer_id) as may:
        deadline = time.monotonic() + (seconds if may else 0)
        while True:
            try:
                begun = _begin(user=user, order=order, idempotency=idempotency)
            except OperationInProgress:
                if not _pause(deadline):
                    raise
            else:
                return _await(begun, deadline=deadline)


@contextmanager
def _may_wait(customer_id: UUID) -> Iterator[bool]:
    """Whether one more request of a customer may wait in this process, for the time of the block."""
    with _lock:
        may = _waiting[customer_id] < WAITING_MAX
        _waiting[customer_id] += may
    try:
        yield may
    finally:
        with _lock:
            _waiting[customer_id] -= may
            if not _waiting[customer_id]:
                del _waiting[customer_id]


def _begin(*, user: User, order: Order, idempotency: IdempotencyKey | None) -> Backup:
    server = next((found for found in provisions_of(order) if found.is_primary), None)
    if server is None:
        raise NotAPrimaryDeployment
    return backup_create(
        user=user,
        order_id=order.id,
        provision_id=server.id,
        name=_("Before an update: %(name)s") % {"name": default_name(user)},
        tags=[TAG],
        idempotency=idempotency,
    )


def _await(backup: Backup, *, deadline: float) -> Backup:
    rows = Backup.objects.select_related("asset", "operation").filter(id=backup.id, deleted_at__isnull=True)
    while (current := rows.first()) is not None and current.status == BackupStatus.CREATING and _pause(deadline):
        continue
    if current is None:
        raise BackupNotFound
    return current


def _pause(deadline: float) -> bool:
    """Wait a little; return False, at once, when there is no time left."""
    left = deadline - time.monotonic()
    if left > 0:
        time.sleep(min(LOOK_SECONDS, left))
    return left > 0
