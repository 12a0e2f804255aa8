"""Rotation: old backups go once the new one is ready and was read back."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from backups import kinds
from backups.models import Backup, Depth, OperationRole
from backups.services.deletion import deletion_start
from backups.services.roles import backup_work_start
from common.locks import row_lock
from operations.models import LIVE_STATES, Operation, OperationState
from orders.errors import OrderNotFound
from orders.models import Order
from orders.selectors import order_promise
from orders.services.orders import order_lock
from provisions.models import Provision
from schedules.models import Rotation, Schedule
from schedules.standing import Row, provision_decide, provision_rows

log = logging.getLogger(__name__)

ROTATED_A_RUN = 500
"""So many servers are looked at by one run of the chore."""
READ_AGAIN = timedelta(hours=1)
"""A backup that could not be read back is tried again after this time."""


def backup_ended(operation: Operation) -> None:
    """Note that backups of a server may go, in the transaction that ends a create which makes room, or a verification
    for which a rotation waits.
    """
    if operation.state != OperationState.SUCCEEDED:
        return
    backup = Backup.objects.filter(roles__operation=operation, roles__role=OperationRole.SUBJECT).first()
    if backup is None:
        return
    if operation.kind == kinds.CREATE.name and operation.params.get("rotates"):
        rotation_request(provision_id=backup.provision_id)
    elif operation.kind == kinds.VERIFY.name:
        Rotation.objects.filter(provision=backup.provision_id).update(looked_at=None)


def rotation_request(*, provision_id: UUID) -> None:
    """Let the next run of the chore look at a server."""
    values = {"requested_at": timezone.now(), "looked_at": None}
    Rotation.objects.update_or_create(provision_id=provision_id, defaults=values)


def rotations_wanted() -> bool:
    """Whether a rotation was requested that nobody has looked at."""
    return Rotation.objects.filter(looked_at__isnull=True).exists()


def rotations_apply() -> int:
    """Look at the servers of which backups may go, those that were not looked at for longest first.

    Return how many backups go. One server that fails stops no other.
    """
    longest = Rotation.objects.order_by(F("looked_at").asc(nulls_first=True), "requested_at")
    removed = 0
    for rotation in longest.select_related("provision")[:ROTATED_A_RUN]:
        try:
            removed += rotation_apply(rotation.provision)
        except OrderNotFound:
            continue  # deleted meanwhile, with its servers
        except Exception:
            log.exception("backups of the server %s were not rotated", rotation.provision_id)
            Rotation.objects.filter(provision=rotation.provision_id).update(looked_at=timezone.now())
    return removed


def rotation_apply(provision: Provision) -> int:
    """Let go of the backups of a server that are no longer kept, if the newest one was read back.

    Return how many. Deciding and removing is one transaction under the order's lock: a backup that was locked or is
    restored meanwhile stays, and a run that dies leaves either all or nothing done.
    """
    with transaction.atomic():
        order = order_lock(provision.order_id)
        rotation = row_lock(Rotation.objects.filter(provision=provision))
        if rotation is None:
            return 0
        rows = provision_rows(provision.id)
        if not _may_rotate(order, provision, rows):
            return 0
        removed = _remove(order, provision, rows)
        rotation.delete()
    return removed


def _may_rotate(order: Order, provision: Provision, rows: list[Row]) -> bool:
    """Whether the newest backup of a server is good and was read back. Otherwise it is looked at again later."""
    newest = _newest(rows)
    if newest is not None and newest.candidate.good and newest.read:
        return True
    if newest is None:
        Rotation.objects.filter(provision=provision).delete()
        return False
    Rotation.objects.filter(provision=provision).update(looked_at=timezone.now())
    if newest.candidate.good and newest.read is None:
        _read_back(order, newest.candidate.id)
    return False


def _newest(rows: list[Row]) -> Row | None:
    made = [row for row in rows if row.counts and not row.candidate.busy and not row.candidate.ahead]
    return max(made, key=lambda row: row.candidate.moment, default=None)


def rotation_makes_room(provision_id: UUID) -> bool:
    """Whether old backups of a server go soon: its newest one was read back, or that has not ended."""
    rotation = Rotation.objects.filter(provision=provision_id).first()
    newest = _newest(provision_rows(provision_id)) if rotation is not None else None
    if rotation is None or newest is None or not newest.candidate.good or newest.read is False:
        return False
    return rotation.looked_at is None or newest.read is True or _reads_back(newest.candidate.id).exists()


def _reads_back(backup_id: UUID) -> QuerySet[Operation]:
    return Operation.objects.filter(kind=kinds.VERIFY.name, roles__backup=backup_id, state__in=LIVE_STATES)


def _read_back(order: Order, backup_id: UUID) -> None:
    """Start to read a backup back, unless that goes on or failed lately."""
    backup = Backup.objects.filter(id=backup_id).first()
    failed = Operation.objects.filter(
        kind=kinds.VERIFY.name, roles__backup=backup_id, state=OperationState.FAILED,
        created_at__gt=timezone.now() - READ_AGAIN,
    )  # fmt: skip
    if backup is not None and not _reads_back(backup_id).exists() and not failed.exists():
        backup_work_start(order=order, kind=kinds.VERIFY, backup=backup, requested_by=None, depth=Depth.SAMPLE.value)


def _remove(order: Order, provision: Provision, rows: list[Row]) -> int:
    schedules = Schedule.objects.filter(Q(provision=provision) | Q(provision__isnull=True), order=order)
    going = provision_decide(rows, schedules=schedules, promise=order_promise(order)).removes
    backups = Backup.objects.filter(id__in=going).order_by("created_at", "id").defer("warnings")
    return sum(
        deletion_start(
            order=order,
            backup=backup,
            user=None,
            action="backup.rotate",
            told=False,
            reason=going[backup.id].value,
        )
        for backup in backups
    )
