"""The start of a backup's deletion, whoever asks for it."""

from __future__ import annotations

from django.utils import timezone

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.models import Backup
from backups.services.roles import backup_work_start
from backups.services.told import deletion_told
from common.states import compare_and_set
from orders.models import Order


def deletion_start(
    *, order: Order, backup: Backup, user: User | None, action: str, told: bool = True, **audited: str
) -> bool:
    """Take a backup off every list, and start the work that removes it. Return False when it was locked, unlocked,
    taken into work or deleted since it was read. Call it under the order's lock, for a backup found deletable.

    action, audited: its name and further words in the audit trail. user: None for the product itself. told: whether
    people are told of it.
    """
    rows = Backup.objects.filter(id=backup.id, status=backup.status, locked=backup.locked, deleted_at__isnull=True)
    if not compare_and_set(rows, deleted_at=timezone.now()):
        return False
    backup_work_start(order=order, kind=kinds.DELETE, backup=backup, requested_by=user)
    if told:
        deletion_told(backup, order)
    audit_record(actor=user, action=action, order_id=order.id, object_id=backup.id, name=backup.name, **audited)
    return True
