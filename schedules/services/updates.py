"""Triggers: backups that programs ask for when something is about to happen to a server."""

from __future__ import annotations

import time
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from backups.models import Backup, BackupStatus
from backups.services.backups import backup_create, default_name
from common.idempotency import IdempotencyKey
from orders.selectors import order_get
from provisions.errors import NotAPrimaryDeployment
from provisions.selectors import provisions_of

WAIT_SECONDS_MAX = 300
LOOK_SECONDS = 0.5
TAG = "update"


def update_begins(*, user: User, order_id: UUID, idempotency: IdempotencyKey | None) -> Backup:
    """Begin the backup of an order's server before an update of its game.

    Raises OrderNotFound, NotAPrimaryDeployment for an order without a server, and what `backup_create` raises.
    """
    order = order_get(user=user, order_id=order_id)
    server = next((found for found in provisions_of(order) if found.is_primary), None)
    if server is None:
        raise NotAPrimaryDeployment
    return backup_create(
        user=user,
        order_id=order_id,
        provision_id=server.id,
        name=_("Before an update: %(name)s") % {"name": default_name(user)},
        tags=[TAG],
        idempotency=idempotency,
    )


def backup_await(backup: Backup, *, seconds: float) -> Backup:
    """The backup as it is once its create has ended, or after so many seconds.

    It waits between short questions to the database, in no transaction. Raises Backup.DoesNotExist when it was deleted.
    """
    deadline = time.monotonic() + seconds
    rows = Backup.objects.select_related("asset", "operation")
    current = rows.get(id=backup.id)
    while current.status == BackupStatus.CREATING and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(LOOK_SECONDS, left))
        current = rows.get(id=backup.id)
    return current
