"""Operations and the backups they are about."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.models import User
from backups.models import Backup, BackupStatus, OperationBackup, OperationRole
from backups.services.targets import order_target
from operations.kinds import OperationKind
from operations.models import Operation, Priority
from operations.services.operations import operation_start
from operations.turns import Place
from orders.models import Order
from provisions.models import Provision
from provisions.selectors import order_host, provision_sidecar


def backup_work_start(
    *,
    order: Order,
    kind: OperationKind,
    backup: Backup,
    requested_by: User | None,
    priority: Priority | None = None,
    server_id: UUID | None = None,
    volume_id: UUID | None = None,
    **params: Any,
) -> Operation:
    """Enqueue work on a backup, its subject, once the transaction commits. Call it under the order's lock.

    priority: as in `operation_start`. server_id: the server whose live files the work may change. volume_id: the volume
    that it makes.
    """
    place = Place(host=order_host(order) if kind.on_host else "", target_id=_target(order, backup))
    operation = operation_start(
        order=order,
        kind=kind,
        requested_by=requested_by,
        priority=priority,
        place=place,
        server_id=server_id,
        volume_id=volume_id,
        **params,
    )
    OperationBackup.objects.create(operation=operation, backup=backup, role=OperationRole.SUBJECT)
    Backup.objects.filter(id=backup.id).update(operation=operation)
    backup.operation = operation
    return operation


def _target(order: Order, backup: Backup) -> UUID | None:
    """The target that has the content of a backup, or will have it."""
    if backup.asset_id is None:
        target = order_target(order)
        return target.id if target else None
    return backup.asset.target_id if backup.asset else None


def operation_order(operation: Operation) -> Order:
    """The order of an operation on a backup. Raises LookupError for an operation that belongs to none."""
    if operation.order is None:
        raise LookupError(f"Operation {operation.id} belongs to no order.")
    return operation.order


def operation_subject(operation: Operation) -> Backup:
    """The backup an operation is about. Raises Backup.DoesNotExist when it has none."""
    return Backup.objects.get(roles__operation=operation, roles__role=OperationRole.SUBJECT)


def operation_source(operation: Operation) -> Backup:
    """The backup whose files a restore or an undo writes: its source where it has one, else its subject."""
    source = Backup.objects.filter(roles__operation=operation, roles__role=OperationRole.SOURCE).first()
    return source or operation_subject(operation)


def operation_server(operation: Operation) -> Provision:
    """The server whose live files a restore or an undo changes. Raises Provision.DoesNotExist when it is gone."""
    if operation.server_id is None:
        raise Provision.DoesNotExist
    return Provision.objects.get(id=operation.server_id, order=operation.order_id)


def operation_sidecar(operation: Operation) -> Provision:
    """The sidecar of a restore or an undo. Raises NoSidecar, NotAPrimaryDeployment, Provision.DoesNotExist."""
    if operation.volume_id is None:
        return provision_sidecar(operation_server(operation))
    return provision_sidecar(Provision.objects.get(order=operation.order_id, is_primary=True))


def backups_give_back(operation: Operation) -> int:
    """Set the backups of a restore or an undo back to *ready*, in the transaction that ends it. Return how many."""
    held = Backup.objects.filter(
        roles__operation=operation,
        roles__role__in=[OperationRole.SUBJECT, OperationRole.SOURCE],
        status=BackupStatus.RESTORING,
    )
    return held.update(status=BackupStatus.READY)
