"""Starting restores and undos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.errors import BackupCollapsed, BackupNotFound
from backups.models import Backup, BackupStatus, OperationBackup, OperationRole
from backups.rules import Rules
from backups.selectors import backup_get
from backups.services.backups import raise_if_active
from backups.services.destinations import destination_get
from backups.services.roles import backup_work_start
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.locks import row_lock
from common.paths import path_text
from common.states import compare_and_set
from operations.errors import StatusConflict
from operations.kinds import OperationKind
from operations.models import Operation
from orders.models import Order
from orders.services.orders import order_lock
from provisions.models import Provision
from wire.enums import Mode, ServerControl

PATHS_MAX = 1000
"""The most paths that one restore takes."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The options of a restore.

    safety: make a backup of the present files first, which the plan keeps for a while. accept_collapsed: restore even
    from a backup of a server that had lost most of its files. destination: another server of the same customer; None
    for the backup's own. new_volume: into a new volume beside the backup's own server, where nothing is to be kept,
    stopped or accepted. paths: only these, with everything below them; empty for all.
    """

    mode: Mode = Mode.REPLACE
    safety: bool = True
    server: ServerControl = ServerControl.AUTO
    accept_collapsed: bool = False
    destination: UUID | None = None
    new_volume: bool = False
    paths: tuple[bytes, ...] = ()

    def params(self, order: Order) -> dict[str, Any]:
        """The options stored with the operation. No safety backup is made where the plan keeps none."""
        if self.new_volume:
            chosen = {"mode": str(Mode.REPLACE), "safety": False, "server": str(ServerControl.LEAVE)}
        else:
            chosen = {
                "mode": str(self.mode),
                "safety": self.safety and order.plan.safety_hours > 0,
                "server": str(self.server),
            }
        return chosen | ({"paths": [path_text(path) for path in self.paths]} if self.paths else {})


def backup_restore(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID,
    backup_id: UUID,
    options: RestoreOptions,
    idempotency: IdempotencyKey | None,
) -> Backup:
    """Start the restore of a backup onto a server, or into a new volume; return the backup as `restoring`.

    Raises OrderNotFound, ProvisionNotFound, BackupNotFound, PermissionDenied, OrderSuspended, PlanHasNoBackups,
    NotAPrimaryDeployment, NoSidecar, ProfileDiffers, OperationInProgress, StatusConflict when the backup is not ready,
    ArchiveDamagedError when files that would be restored are known to be damaged, BackupCollapsed, VolumesNotOffered,
    LimitReached when the order has as many new volumes as its plan keeps.
    """

    def begin(order: Order, backup: Backup, server: Provision) -> dict[str, Any]:
        rules, wanted = Rules(user=user, order=order), options.params(order)
        if options.new_volume:
            rules.volume_require(backup, paths=options.paths)
            into: dict[str, UUID] = {"volume_id": uuid4()}
        else:
            rules.restore_require(backup, server, paths=options.paths)
            _collapse_accepted(backup, accepted=options.accept_collapsed)
            into = {"server_id": server.id}
        operation = _start(user=user, order=order, kind=kinds.RESTORE, backup=backup, **into, **wanted)
        made = {"volume": str(operation.volume_id)} if operation.volume_id else {}
        return {"action": "backup.restore", "operation": str(operation.id), **made, **wanted}

    return _requested(
        user=user,
        order_id=order_id,
        provision_id=provision_id,
        backup_id=backup_id,
        destination=options.destination,
        begin=begin,
        idempotency=idempotency,
    )


def restore_undo(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID,
    backup_id: UUID,
    accept_collapsed: bool = False,
    idempotency: IdempotencyKey | None,
) -> Backup:
    """Start the undo of the last restore of a backup, from its safety backup; return the backup as `restoring`.

    A safety backup of the present files is made first, so that an undo loses nothing either. Raises as
    `backup_restore`, and NothingToUndo.
    """

    def begin(order: Order, backup: Backup, server: Provision) -> dict[str, Any]:
        source = Rules(user=user, order=order).undo_require(backup, server)
        _collapse_accepted(source, accepted=accept_collapsed)
        wanted = RestoreOptions().params(order)
        operation = _start(user=user, order=order, kind=kinds.UNDO, backup=backup, server_id=server.id, **wanted)
        _hold(source)
        OperationBackup.objects.create(operation=operation, backup=source, role=OperationRole.SOURCE)
        return {"action": "backup.undo", "operation": str(operation.id), "source": str(source.id)}

    return _requested(
        user=user,
        order_id=order_id,
        provision_id=provision_id,
        backup_id=backup_id,
        destination=None,
        begin=begin,
        idempotency=idempotency,
    )


def _requested(
    *,
    user: User,
    order_id: UUID,
    provision_id: UUID,
    backup_id: UUID,
    destination: UUID | None,
    begin: Callable[[Order, Backup, Provision], dict[str, Any]],
    idempotency: IdempotencyKey | None,
) -> Backup:
    """Run `begin` under the lock of the server's order, once; it returns the entry of the audit trail."""

    def find(found_id: UUID) -> Backup:
        return backup_get(user=user, order_id=order_id, provision_id=provision_id, backup_id=found_id)

    def make() -> Backup:
        backup = find(backup_id)
        server = destination_get(user=user, backup=backup, provision_id=destination)
        try:
            with transaction.atomic():
                order = order_lock(server.order_id)
                current = row_lock(Backup.objects.filter(id=backup.id, deleted_at__isnull=True))
                if current is None:
                    raise BackupNotFound
                audited = begin(order, current, server)
                idempotency_store(idempotency, object_id=backup.id)
                audit_record(actor=user, order_id=order.id, object_id=backup.id, **audited)
        except IntegrityError:
            # The database refused: another request was faster than our check.
            raise_if_active(server.order_id)
            raise
        return Backup.objects.select_related("asset", "operation").get(id=backup.id)

    return idempotent(idempotency, find=find, make=make)


def _collapse_accepted(source: Backup, *, accepted: bool) -> None:
    if source.collapsed and not accepted:
        raise BackupCollapsed


def _start(*, user: User, order: Order, kind: OperationKind, backup: Backup, **wanted: Any) -> Operation:
    _hold(backup)
    return backup_work_start(order=order, kind=kind, backup=backup, requested_by=user, **wanted)


def _hold(backup: Backup) -> None:
    ready = Backup.objects.filter(id=backup.id, status=BackupStatus.READY, deleted_at__isnull=True)
    if not compare_and_set(ready, status=BackupStatus.RESTORING):
        raise StatusConflict(status=backup.get_status_display())
