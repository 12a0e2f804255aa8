"""Making a backup: sidecar, pipeline, storage, and the one transaction that makes it a backup."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.services.audit import audit_record
from backups.models import Asset, Backup, BackupStatus, Operation, OperationState, StorageTarget, StoredObject
from backups.rules import order_allows_backups
from backups.services.archives import (
    CONTENT_TYPE,
    MANIFEST_SUFFIX,
    archive_context,
    archive_key,
    storage_errors,
    target_default,
    target_open,
)
from backups.services.keys import data_key_ensure
from backups.services.operations import operation_finish, operation_subject
from backups.services.sweep import objects_doom
from backups.work.lease import FenceLost, Lease
from backups.work.sidecars import sidecar_open
from backups.work.upload import Uploaded, archive_upload
from common.states import compare_and_set
from provisions.models import Provision
from provisions.selectors import provision_sidecar
from repository.manifest import ArchiveManifest, manifest_seal
from repository.storage import Storage
from sidecar_client.client import ArchiveProgress, ArchiveResult, SidecarClient
from sidecar_client.errors import SidecarClientError

DATA = "/data"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one attempt stores its archive, and the data key that seals it."""

    target: StorageTarget
    storage: Storage
    key: str
    data_key: bytes


def create_run(operation: Operation, lease: Lease) -> None:
    """Pack the server's files, store them while they are packed, and make the backup ready.

    Write order: the row that owns the key, archive, manifest, and last the transaction under our fence that lists it.
    """
    # Asked to stop while it waited for another worker: that is why it ends, whatever else is wrong.
    lease.checkpoint()
    backup = operation_subject(operation)
    order_allows_backups(operation.order)
    sidecar = provision_sidecar(backup.provision)
    place = _place(operation, backup, lease)
    output = f"/tmp/{place.key.rpartition('/')[2].replace(str(backup.id), f'backup-{backup.id}')}"  # noqa: S108  # a path of the sidecar
    with sidecar_open(sidecar=sidecar, operation=operation, lease=lease) as client:
        try:
            uploaded, packed = _stream(client=client, output=output, operation=operation, place=place, lease=lease)
        finally:
            # Best effort: what stays behind is swept when the sidecar starts. A sidecar that hangs holds no cancel up:
            # it removes the output of a call that was cut off by itself.
            if not lease.interrupted():
                with contextlib.suppress(SidecarClientError):
                    client.file_delete(path=output)
    _manifest_write(operation=operation, backup=backup, place=place, uploaded=uploaded, packed=packed)
    lease.fence_check()
    _commit(operation=operation, backup=backup, place=place, uploaded=uploaded, packed=packed)


def _place(operation: Operation, backup: Backup, lease: Lease) -> Place:
    target = target_default()
    storage = target_open(target)
    key = archive_key(backup=backup, fence=operation.fence)
    with transaction.atomic():
        # A worker that was taken over must not doom what its successor is about to list.
        lease.fence_hold()
        StoredObject.objects.get_or_create(target=target, key=key, defaults={"backup_id": backup.id})
        objects_doom(backup_ids=[backup.id], keep=key)
    with storage_errors():
        data_key = data_key_ensure(customer=operation.order.customer, target=target, storage=storage)
    return Place(target=target, storage=storage, key=key, data_key=data_key)


def _stream(
    *, client: SidecarClient, output: str, operation: Operation, place: Place, lease: Lease
) -> tuple[Uploaded, ArchiveResult]:
    total = 0

    def on_progress(progress: ArchiveProgress) -> None:
        nonlocal total
        total = progress.bytes_total
        lease.progress(bytes_done=progress.bytes_read, bytes_total=total, phase="packing")

    tenant = operation.order.customer_id
    context = archive_context(tenant=tenant, target=place.target.id, key=place.key)
    archive = client.archive_stream(source=DATA, output=output, on_progress=on_progress, cancelled=lease.interrupted)

    def before_commit() -> None:
        lease.checkpoint()
        lease.fence_check()

    with archive:
        uploaded = archive_upload(
            chunks=archive,
            storage=place.storage,
            key=place.key,
            expected_size=lambda: total,
            seal=(place.data_key, context) if place.target.sealed else None,
            before_commit=before_commit,
        )
        return uploaded, archive.result


def _manifest_write(
    *, operation: Operation, backup: Backup, place: Place, uploaded: Uploaded, packed: ArchiveResult
) -> None:
    order = operation.order
    provision: Provision = backup.provision
    manifest = ArchiveManifest(
        tenant=order.customer_id,
        tenant_name=order.customer.name,
        order=order.id,
        order_name=order.name,
        provision=provision.id,
        provision_name=provision.name,
        backup=backup.id,
        backup_name=backup.name,
        created_at=backup.created_at,
        completed_at=timezone.now(),
        archive_key=place.key,
        format="tar.gz",
        source=backup.source,
        sealed=place.target.sealed,
        size_bytes=uploaded.size_bytes,
        sha256=uploaded.sha256,
        stored_bytes=uploaded.stored_bytes,
        entries=packed.entries,
        warnings=packed.warnings_total,
        consistency="crash",
    )
    sealed = manifest_seal(manifest, data_key=place.data_key, target=place.target.id)
    with storage_errors(), place.storage.writer(place.key + MANIFEST_SUFFIX, expected_size=len(sealed)) as writer:
        writer.write(sealed)
        writer.commit()


def _commit(*, operation: Operation, backup: Backup, place: Place, uploaded: Uploaded, packed: ArchiveResult) -> None:
    with transaction.atomic():
        if not operation_finish(operation=operation, state=OperationState.SUCCEEDED):
            raise FenceLost
        asset = Asset.objects.create(
            customer=operation.order.customer,
            target=place.target,
            key=place.key,
            sealed=place.target.sealed,
            size_bytes=uploaded.size_bytes,
            stored_bytes=uploaded.stored_bytes,
            sha256=uploaded.sha256,
            content_type=CONTENT_TYPE,
        )
        ready = compare_and_set(
            Backup.objects.filter(id=backup.id, status=BackupStatus.CREATING),
            status=BackupStatus.READY,
            asset=asset,
            size_bytes=uploaded.size_bytes,
            consistency="crash",
            warnings_total=packed.warnings_total,
            warnings=[{"kind": item.kind, "path": _shown(item.path)} for item in packed.warnings],
            completed_at=timezone.now(),
        )
        if not ready:
            raise FenceLost
        audit_record(
            actor=operation.requested_by,
            action="create.succeeded",
            order_id=operation.order_id,
            object_id=backup.id,
            size_bytes=uploaded.size_bytes,
        )


def _shown(path: bytes) -> str:
    """A path as text: UTF-8, with `%XX` for a percent sign and for what is not UTF-8, and for NUL-like controls."""
    text = path.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    escaped = (f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in text)
    return "".join(f"%{ord(char):02X}" if char < " " or char == "\x7f" else char for char in escaped)
