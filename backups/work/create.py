"""The create: the content, and the one transaction that lists the backup."""

from __future__ import annotations

from django.db import transaction

from accounts.services.audit import audit_record
from backups.formats.interface import Made, Making, made_record
from backups.formats.registry import format_of
from backups.models import Backup, BackupStatus
from backups.rules import order_allows_source
from backups.services.changes import UNCHANGED, server_unchanged
from backups.services.exclusion import exclude_of
from backups.services.roles import operation_order, operation_subject
from backups.services.sidecars import sidecar_open, sidecar_reach
from backups.services.told import create_begins
from operations.models import Operation
from operations.services.operations import operation_result
from operations.work.lease import FenceLost, Lease, operation_succeeds
from orders.patterns import patterns_of
from provisions.selectors import provision_sidecar
from wire.enums import Phase


def create_run(operation: Operation, lease: Lease) -> None:
    """Store the content, and make the backup ready in the transaction that ends the operation under our fence."""
    # A cancel while the operation waited on the queue goes before any other error.
    lease.checkpoint()
    backup = operation_subject(operation)
    create_begins(operation, backup)
    order_allows_source(operation_order(operation), backup.source)
    sidecar = provision_sidecar(backup.provision)
    with sidecar_open(
        sidecar=sidecar, operation_id=operation.id, fence=operation.fence, checkpoint=lease.checkpoint
    ) as client:
        info = sidecar_reach(client=client, sidecar=sidecar, checkpoint=lease.checkpoint)
        exclude = exclude_of(
            plan=operation_order(operation).plan,
            game_profile=info.profile,
            of_server=patterns_of(backup.provision.exclude),
            of_backup=backup.exclude,
        )
        if operation.params.get("only_if_changed"):
            lease.phase(Phase.COMPARING)
            if server_unchanged(backup=backup, client=client, exclude=exclude):
                _leave(operation=operation, backup=backup)
                return
        making = Making(
            operation=operation, backup=backup, client=client, lease=lease, phase="packing", exclude=exclude
        )
        made = format_of(backup).make(making)
    if made.warnings_total:
        # Outlives the backup: the days of an order show it after retention has removed the backup.
        operation_result(operation=operation, warnings=made.warnings_total)
    _commit(operation=operation, backup=backup, made=made)


def _leave(*, operation: Operation, backup: Backup) -> None:
    """End the operation well without a backup: nothing has changed since the last one."""
    with transaction.atomic():
        if not operation_result(operation=operation, **{UNCHANGED: True}):
            raise FenceLost
        with operation_succeeds(operation):
            Backup.objects.filter(id=backup.id, status=BackupStatus.CREATING).delete()
            audit_record(
                actor=operation.requested_by,
                action="create.unchanged",
                order_id=operation.order_id,
                object_id=backup.id,
            )


def _commit(*, operation: Operation, backup: Backup, made: Made) -> None:
    with operation_succeeds(operation):
        made_record(operation=operation, backup=backup, made=made)
        audit_record(
            actor=operation.requested_by,
            action="create.succeeded",
            order_id=operation.order_id,
            object_id=backup.id,
            size_bytes=made.shown_bytes,
        )
