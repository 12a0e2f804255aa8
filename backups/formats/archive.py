"""The archive format: one object for each backup, made and restored whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from archives.formats import ArchiveFormat
from archives.tar_stream import Member
from backups.errors import PreviewUnavailable
from backups.formats.archive_contents import archive_entries
from backups.formats.archive_download import ArchiveFiles
from backups.formats.archive_reading import archive_content, archive_members
from backups.formats.archive_restore import archive_extract, archive_fetch, archive_path, listing_path
from backups.formats.download import CONTENT_TYPES, ArchiveContent, Content, DownloadChoice
from backups.formats.interface import Made, Making, Restoring
from backups.formats.made_download import MadeContent
from backups.formats.upload import Uploaded, archive_upload, object_upload
from backups.models import Backup
from backups.services.roles import operation_order
from backups.services.sidecars import DATA
from backups.services.targets import order_target_get
from operations.models import Operation
from operations.work.lease import Lease
from orders.models import BackupFormat
from provisions.models import Provision
from repository.archive.manifest import ArchiveManifest, manifest_seal
from repository.archive.object_keys import (
    LISTING_SUFFIX,
    MANIFEST_SUFFIX,
    archive_context,
    archive_format,
    archive_key,
    listing_context,
)
from repository.browsing import Blocks, Item
from repository.checkpoint import Checkpoint, go_on
from repository.storage import Storage
from sidecar_client.client import ArchiveProgress, ArchiveResult, ExtractProgress, SidecarClient
from sidecar_client.errors import Refused, SidecarClientError, SidecarUnavailable, SourceFailed
from vault.models import Asset, StorageTarget, StoredObject
from vault.services.keys import DataKeys, data_key_ensure
from vault.services.opening import listing_open, storage_errors, target_open
from vault.services.sweep import objects_condemn
from wire.enums import TarFormat

LISTED_ENTRY_BYTES = 64
"""The approximate size of an entry in a listing, from which storage plans the parts of an upload."""


@dataclass(frozen=True, slots=True)
class ArchiveDestination:
    """Where one attempt stores its archive, and the data key that seals it."""

    target: StorageTarget
    storage: Storage
    key: str
    data_key: bytes


class ArchiveBackupFormat:
    """One sealed or plain object, with the list of its entries and a manifest beside it."""

    name = BackupFormat.ARCHIVE.value
    reads_whole = True

    def make(self, making: Making) -> Made:
        """Pack the server's files and store them while they are packed, as the backup's archive of this attempt.

        Write order: the row that owns the key, archive, listing, manifest; the caller lists it last.
        """
        operation, backup, client, lease = making.operation, making.backup, making.client, making.lease
        destination = _destination(operation, backup, lease)
        name = destination.key.rpartition("/")[2].replace(str(backup.id), f"backup-{backup.id}")
        output, listing = f"/tmp/{name}", f"/tmp/{name}{LISTING_SUFFIX}"  # noqa: S108  # paths of the sidecar
        try:
            uploaded, packed = _stream(making, output=output, listing=listing, destination=destination)
            listing_bytes = _listing_store(
                client=client,
                listing=listing,
                operation=operation,
                destination=destination,
                entries=packed.entries,
                lease=lease,
            )
        finally:
            # Best effort: the sidecar deletes leftovers at start-up. After an interruption nothing is deleted here, so
            # that a hanging sidecar delays no cancel; it removes the output of a cancelled call by itself.
            for path in (output, listing):
                if not lease.interrupted():
                    with contextlib.suppress(SidecarClientError):
                        client.file_delete(path=path)
        _manifest_write(operation=operation, backup=backup, destination=destination, uploaded=uploaded, packed=packed)
        lease.fence_check()
        return Made(
            target=destination.target,
            key=destination.key,
            sealed=destination.target.sealed,
            size_bytes=uploaded.size_bytes,
            sha256=uploaded.sha256,
            stored_bytes=uploaded.stored_bytes,
            added_bytes=uploaded.stored_bytes + listing_bytes,
            entries=packed.entries,
            content_bytes=packed.content_bytes,
            listing_bytes=listing_bytes,
            consistency=packed.consistency,
            warnings_total=packed.warnings_total,
            warnings=packed.warnings,
            content_type=CONTENT_TYPES[archive_format(destination.key)],
            excluded=packed.excluded,
        )

    def listing(self, backup: Backup, *, checkpoint: Checkpoint = go_on) -> Iterator[bytes]:
        """The listing beside the archive."""
        if backup.asset is None or backup.listing_bytes is None:
            raise PreviewUnavailable
        return listing_open(backup.asset, stored_bytes=backup.listing_bytes, checkpoint=checkpoint).read()

    def entries_expect(self, backups: Sequence[Backup]) -> None:
        """Listings are read one by one."""

    def entries(self, backup: Backup, *, keys: DataKeys) -> AbstractContextManager[Blocks]:
        """The listing beside the archive, in blocks."""
        return archive_entries(backup, keys)

    def content(self, backup: Backup, item: Item, *, start: int, stop: int) -> Iterator[bytes]:
        """A file out of the archive, which is read up to it."""
        return archive_content(backup, item, start=start, stop=stop)

    def members(self, backup: Backup, *, checkpoint: Checkpoint) -> AbstractContextManager[Iterator[Member]]:
        """One pass over the archive."""
        return archive_members(backup, checkpoint=checkpoint)

    def fetch(self, restoring: Restoring) -> None:
        """Bring the archive into the sidecar's scratch folder, whole and as it was made."""
        archive_fetch(restoring)

    def extract(self, restoring: Restoring, *, on_progress: Callable[[ExtractProgress], None]) -> None:
        """Extract the archive out of the scratch folder."""
        archive_extract(restoring, on_progress=on_progress)

    def download(self, asset: Asset, choice: DownloadChoice) -> Content:
        """The archive as it is stored; paths in it, and other formats, are made on the fly."""
        if choice.paths or choice.format not in (None, archive_format(asset.key)):
            return MadeContent(asset, choice, ArchiveFiles(asset))
        return ArchiveContent(asset)

    def scratch(self, operation: Operation) -> tuple[str, ...]:
        """Archive and listing."""
        return archive_path(operation), listing_path(operation)


def _destination(operation: Operation, backup: Backup, lease: Lease) -> ArchiveDestination:
    target = order_target_get(operation_order(operation))
    storage = target_open(target, checkpoint=lease.checkpoint)
    key = archive_key(
        order=backup.order_id,
        backup=backup.id,
        fence=operation.fence,
        format_=ArchiveFormat(target.archive_format),
    )
    with transaction.atomic():
        # A worker that lost its operation must not mark for deletion the object that its successor is about to list.
        lease.fence_hold()
        StoredObject.objects.get_or_create(target=target, key=key, defaults={"backup_id": backup.id})
        objects_condemn(backup_ids=[backup.id], keep=key)
    with storage_errors():
        data_key = data_key_ensure(customer=operation_order(operation).customer, target=target, storage=storage)
    return ArchiveDestination(target=target, storage=storage, key=key, data_key=data_key)


def _stream(
    making: Making, *, output: str, listing: str, destination: ArchiveDestination
) -> tuple[Uploaded, ArchiveResult]:
    lease, total = making.lease, 0

    def on_progress(progress: ArchiveProgress) -> None:
        nonlocal total
        total = progress.bytes_total
        lease.progress(bytes_done=progress.bytes_read, bytes_total=total, phase=making.phase)

    tenant = operation_order(making.operation).customer_id
    context = archive_context(tenant=tenant, target=destination.target.id, key=destination.key)
    archive = making.client.archive_stream(
        source=DATA,
        output=output,
        listing=listing,
        quiesce=True,
        exclude=making.exclude,
        format_=TarFormat(archive_format(destination.key)),
        on_progress=on_progress,
        cancelled=lease.interrupted,
    )
    with archive:
        uploaded = archive_upload(
            chunks=archive,
            storage=destination.storage,
            key=destination.key,
            expected_size=lambda: total,
            seal=(destination.data_key, context) if destination.target.sealed else None,
            before_commit=lambda: _still_ours(lease),
        )
        return uploaded, archive.result


def _listing_store(
    *,
    client: SidecarClient,
    listing: str,
    operation: Operation,
    destination: ArchiveDestination,
    entries: int,
    lease: Lease,
) -> int:
    """Store the listing beside the archive; its size there.

    Raises SidecarUnavailable when the sidecar has lost it: a backup without one would not know what it left out, and a
    restore could remove that.
    """
    context = listing_context(
        tenant=operation_order(operation).customer_id, target=destination.target.id, key=destination.key
    )
    with contextlib.closing(client.file_read(path=listing, cancelled=lease.interrupted)) as chunks:
        try:
            # Checked before an upload is opened. The listing appeared with the archive: only a restart loses it.
            first = next(chunks, b"")
        except (SourceFailed, Refused) as error:
            raise SidecarUnavailable("The sidecar has lost the listing of the backup.") from error

        def content() -> Iterator[bytes]:
            yield first
            yield from chunks

        return object_upload(
            chunks=content(),
            storage=destination.storage,
            key=destination.key + LISTING_SUFFIX,
            expected_size=entries * LISTED_ENTRY_BYTES,
            seal=(destination.data_key, context) if destination.target.sealed else None,
            before_commit=lambda: _still_ours(lease),
        )


def _still_ours(lease: Lease) -> None:
    lease.checkpoint()
    lease.fence_check()


def _manifest_write(
    *, operation: Operation, backup: Backup, destination: ArchiveDestination, uploaded: Uploaded, packed: ArchiveResult
) -> None:
    order = operation_order(operation)
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
        archive_key=destination.key,
        format=archive_format(destination.key),
        source=backup.source,
        sealed=destination.target.sealed,
        size_bytes=uploaded.size_bytes,
        sha256=uploaded.sha256,
        stored_bytes=uploaded.stored_bytes,
        entries=packed.entries,
        warnings=packed.warnings_total,
        consistency=str(packed.consistency),
    )
    sealed = manifest_seal(manifest, data_key=destination.data_key, target=destination.target.id)
    with (
        storage_errors(),
        destination.storage.writer(destination.key + MANIFEST_SUFFIX, expected_size=len(sealed)) as writer,
    ):
        writer.write(sealed)
        writer.commit()
