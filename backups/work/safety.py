"""The safety backup of a restore."""

from __future__ import annotations

from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Final

from django.db import transaction

from accounts.services.audit import audit_record
from backups.formats.interface import Making, made_record, safety_path
from backups.formats.registry import format_of
from backups.models import Backup
from backups.services.safety import safety_begin
from operations.models import Operation
from operations.work.lease import Lease
from sidecar_client.client import SidecarClient
from wire.listing import LEFT_OUT, Entry, Listing, ListingWriter

_SPOOLED_BYTES: Final = 1 << 20
_PIECE_BYTES: Final = 256 << 10


def safety_make(*, operation: Operation, client: SidecarClient, lease: Lease) -> None:
    """Complete the operation's safety backup, with the present files even if an earlier attempt made one.

    No pattern leaves anything out of it: an undo brings back all that the restore replaced or removed. The sidecar gets
    the list of what it could not take, so that the restore leaves that alone.
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
    safety.refresh_from_db()
    _left_out_send(operation=operation, safety=safety, client=client, lease=lease)


def _left_out_send(*, operation: Operation, safety: Backup, client: SidecarClient, lease: Lease) -> None:
    with SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as spool:
        written = ListingWriter(spool.write, started_ns=0)
        # A path that was left out is a warning, too: without any, nothing is read.
        if safety.warnings_total:
            parts = format_of(safety).listing(safety, checkpoint=lease.checkpoint)
            for entry in Listing(parts).left_out():
                written.add(Entry(LEFT_OUT, 0, 0, 0, 0, 0, 0, entry.path, entry.link))
        written.finish()
        size = spool.tell()
        spool.seek(0)
        client.file_write(path=safety_path(operation), size=size, chunks=iter(partial(spool.read, _PIECE_BYTES), b""))
