"""Safety backups: a restore creates one first, so that it can be undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from backups import kinds
from backups.models import Backup, BackupStatus, OperationBackup, OperationRole
from backups.services.deletion import deletion_start
from backups.services.formats import format_choose
from backups.services.roles import operation_order, operation_server, operation_subject
from common.locks import row_lock
from common.names import NAME_LENGTH_MAX
from operations.models import Operation
from orders.services.orders import order_lock

EXPIRED_A_RUN = 500
"""How many expired safety backups one run deletes; the next one goes on."""


def safety_begin(*, operation: Operation, fence_hold: Callable[[], None]) -> Backup:
    """The safety backup of an operation, `creating`: the one an earlier attempt began, else a new one.

    One that an earlier attempt finished shows the server at an unknown earlier time. It is marked for deletion: nothing
    was exchanged yet, so it is not needed for an undo.

    fence_hold: raises FenceLost, or keeps others from taking the operation over until the transaction ends.
    """
    with transaction.atomic():
        fence_hold()
        now = timezone.now()
        expires_at = now + timedelta(hours=operation_order(operation).plan.safety_hours)
        roles = OperationBackup.objects.filter(operation=operation, role=OperationRole.SAFETY)
        begun = Backup.objects.filter(roles__in=roles, status=BackupStatus.CREATING).first()
        if begun is not None:
            begun.expires_at = expires_at
            begun.save(update_fields=["expires_at"])
            return begun
        Backup.objects.filter(roles__in=roles).update(expires_at=now)
        roles.delete()
        subject = operation_subject(operation)
        safety = Backup.objects.create(
            order=operation_order(operation),
            provision=operation_server(operation),
            name=_name(operation, subject),
            format=format_choose(order=operation_order(operation)),
            is_safety=True,
            expires_at=expires_at,
        )
        OperationBackup.objects.create(operation=operation, backup=safety, role=OperationRole.SAFETY)
        return safety


def safety_expire() -> int:
    """Start the deletion of every expired safety backup; a locked one stays. Return how many."""
    due = Backup.objects.filter(
        expires_at__lte=timezone.now(), status=BackupStatus.READY, locked=False, deleted_at__isnull=True
    )
    ids = list(due.order_by("expires_at").values_list("id", "order_id")[:EXPIRED_A_RUN])
    return sum(_expire(Backup(id=backup_id, order_id=order_id)) for backup_id, order_id in ids)


def _expire(expired: Backup) -> bool:
    with transaction.atomic():
        order = order_lock(expired.order_id)
        # Checked once more under the lock: it may have been locked against deletion, or be the source of a restore.
        still = Backup.objects.filter(
            id=expired.id,
            expires_at__lte=timezone.now(),
            status=BackupStatus.READY,
            locked=False,
            deleted_at__isnull=True,
        )
        backup = row_lock(still)
        if backup is None:
            return False
        return deletion_start(order=order, backup=backup, user=None, action="backup.expire", told=False)


def _name(operation: Operation, subject: Backup) -> str:
    user = operation.requested_by
    with translation.override((user.language if user else "") or translation.get_language()):
        undo = operation.kind == kinds.UNDO.name
        text = _("Before undoing the restore of %(name)s") if undo else _("Before the restore of %(name)s")
        whole = text % {"name": subject.name}
    return whole if len(whole) <= NAME_LENGTH_MAX else f"{whole[: NAME_LENGTH_MAX - 1]}…"
