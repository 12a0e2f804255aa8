"""The safety backup of a restore."""

from __future__ import annotations

from django.db import transaction

from accounts.services.audit import audit_record
from backups.formats.interface import Making, made_record
from backups.formats.registry import format_of
from backups.services.safety import safety_begin
from operations.models import Operation
from operations.work.lease import Lease
from sidecar_client.client import SidecarClient


def safety_make(*, operation: Operation, client: SidecarClient, lease: Lease) -> None:
    """Complete the operation's safety backup, with the present files even if an earlier attempt made one.

    No pattern leaves anything out of it: an undo brings back all that the restore replaced or removed.
    """
    safety = safety_begin(operation=operation, fence_hold=lease.fence_hold)
    making = Making(operation=operation, backup=safety, client=client, lease=lease, phase="safety")
    made = format_of(safety).make(making)
    with transaction.atomic():
        lease.fence_hold()
        made_record(operation=operation, backup=safety, made=made)
        audit_record(
            actor=operation.requested_by,
            action="safety.succeeded",
            order_id=operation.order_id,
            object_id=safety.id,
            size_bytes=made.shown_bytes,
        )
