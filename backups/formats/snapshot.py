"""The repository format: a snapshot for each backup, which stores and moves only what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from archives.tar_stream import Member
from backups.errors import SourceFailed
from backups.formats.download import Content, DownloadChoice
from backups.formats.interface import WARNINGS_KEPT, Made, Making, Restoring
from backups.formats.made_download import MadeContent
from backups.formats.snapshot_contents import snapshot_content, snapshot_entries, snapshots_expect
from backups.formats.snapshot_download import SnapshotFiles, snapshot_members
from backups.formats.snapshot_restore import listing_read, snapshot_check, snapshot_extract
from backups.models import Backup, BackupStatus
from backups.services.roles import operation_order
from backups.services.sidecars import DATA
from backups.services.targets import order_target_get
from operations.models import Operation
from operations.work.lease import Lease
from operations.work.retry import Postponed
from orders.models import BackupFormat, Order
from repository.browsing import Blocks, Item
from repository.checkpoint import Checkpoint, go_on
from repository.chunked.manifest.root import SnapshotRoot, root_load
from repository.chunked.objects import SNAPSHOTS
from repository.chunked.repository import Repository as OpenRepository
from repository.chunked.snapshots.create import SnapshotProgress, snapshot_create
from repository.errors import Overtaken
from sidecar_client.client import ArchiveWarning, ExtractProgress, TreeSource
from sidecar_client.errors import SidecarClientError
from sidecar_client.values import Excluded
from trees.source import Left, SourceGone
from trees.source import SourceFailed as TreeFailed
from vault.models import Asset, Repository, StoredObject
from vault.services.keys import DataKeys
from vault.services.repositories import repository_ensure, repository_errors, repository_make, snapshot_id, snapshot_key
from vault.services.sweep import objects_condemn
from wire.enums import Consistency, WarningKind

READ_AGAIN = timedelta(days=7)
"""After this time every file is read again, so that a wrong “unchanged” does not live longer."""
CONTENT_TYPE = "application/zstd"
OVERTAKEN_SECONDS = 20.0


class SnapshotFormat:
    """Chunks, packs and a manifest in the customer's repository on the target."""

    name = BackupFormat.REPOSITORY.value
    reads_whole = False

    def make(self, making: Making) -> Made:
        """Read what has changed since the parent, and store what the repository does not have.

        Write order: the row that owns the root's key, packs, index, manifest, root; the caller lists the backup last.
        """
        order = operation_order(making.operation)
        row = repository_ensure(customer=order.customer, target=order_target_get(order))
        repository = repository_make(row, checkpoint=making.lease.checkpoint)
        snapshot = uuid4()
        key = snapshot_key(row, snapshot)
        with transaction.atomic():
            # A worker that lost its operation must not mark for deletion the object that its successor will list.
            making.lease.fence_hold()
            StoredObject.objects.create(target=row.target, key=key, backup_id=making.backup.id)
            objects_condemn(backup_ids=[making.backup.id], keep=key)
        return _Snapshot(making, row, repository, order=order).make(snapshot, key)

    def listing(self, backup: Backup, *, checkpoint: Checkpoint = go_on) -> Iterator[bytes]:
        """The manifest, as a listing."""
        return listing_read(backup, checkpoint=checkpoint)

    def entries_expect(self, backups: Sequence[Backup]) -> None:
        """The roots of the snapshots, some at a time."""
        snapshots_expect(backups)

    def entries(self, backup: Backup, *, keys: DataKeys) -> AbstractContextManager[Blocks]:  # noqa: ARG002  # the interface's signature
        """The manifest's chunks."""
        return snapshot_entries(backup)

    def content(self, backup: Backup, item: Item, *, start: int, stop: int) -> Iterator[bytes]:
        """A file out of the chunks that it needs."""
        return snapshot_content(backup, item, start=start, stop=stop)

    def members(self, backup: Backup, *, checkpoint: Checkpoint) -> AbstractContextManager[Iterator[Member]]:
        """The manifest's entries, with the chunks of each file."""
        return snapshot_members(backup, checkpoint=checkpoint)

    def fetch(self, restoring: Restoring) -> None:
        """Check that the snapshot opens; its files cross only as far as they differ."""
        snapshot_check(restoring)

    def extract(self, restoring: Restoring, *, on_progress: Callable[[ExtractProgress], None]) -> None:
        """Let the sidecar compare with the manifest, and send what it asks for."""
        snapshot_extract(restoring, on_progress=on_progress)

    def download(self, asset: Asset, choice: DownloadChoice) -> Content:
        """An archive that is made on the fly."""
        return MadeContent(asset, choice, SnapshotFiles(asset))

    def scratch(self, operation: Operation) -> tuple[str, ...]:  # noqa: ARG002  # the interface's signature
        """None: the sidecar removes the listing itself."""
        return ()


class _Snapshot:
    """One snapshot being made."""

    def __init__(self, making: Making, row: Repository, repository: OpenRepository, *, order: Order) -> None:
        self._making = making
        self._row = row
        self._repository = repository
        self._order = order
        self._warnings: list[ArchiveWarning] = []
        self._warnings_total = 0
        self._parent_bytes: int | None = 0

    def make(self, snapshot: UUID, key: str) -> Made:
        parent, reread = self._parent()
        lease = self._making.lease
        with _source_errors(), repository_errors(), self._source(count=parent is None) as source:
            # Without a parent everything is read, so that it is worth counting first.
            root = snapshot_create(
                self._repository,
                snapshot=snapshot.bytes,
                source=source,
                parent=parent,
                labels=self._labels(),
                trust_stat=not reread,
                warn=self._warn,
                progress=lambda done: self._progress(source, done),
                before_store=lambda: _still_ours(lease),
                checkpoint=lease.checkpoint,
            )
            self._warnings += source.warnings
            self._warnings_total += source.warnings_total
            return self._made(root, key, read_whole=parent is None or reread, excluded=source.excluded)

    def _warn(self, kind: str, path: bytes) -> None:
        if kind == Left.EXCLUDED:
            return
        self._warnings_total += 1
        if len(self._warnings) < WARNINGS_KEPT:
            self._warnings.append(ArchiveWarning(kind=WarningKind(kind), path=path))

    def _source(self, *, count: bool) -> TreeSource:
        return self._making.client.tree_source(
            source=DATA,
            quiesce=True,
            count=count,
            exclude=self._making.exclude,
            cancelled=self._making.lease.interrupted,
        )

    def _parent(self) -> tuple[bytes | None, bool]:
        """The newest snapshot of this server in the repository, and whether every file must be read again."""
        earlier = Backup.objects.filter(
            provision=self._making.backup.provision_id,
            asset__repository=self._row,
            status__in=[BackupStatus.READY, BackupStatus.RESTORING],
            deleted_at__isnull=True,
            degraded=False,
        )
        newest = earlier.order_by("-completed_at").values_list("asset__key", "content_bytes").first()
        key, self._parent_bytes = newest or ("", 0)
        read_lately = earlier.filter(read_whole=True, completed_at__gt=timezone.now() - READ_AGAIN)
        return (snapshot_id(key) if key else None), not read_lately.exists()

    def _labels(self) -> dict[str, str]:
        """The labels from which a lost database is rebuilt."""
        backup, provision, order = self._making.backup, self._making.backup.provision, self._order
        return {
            "tenant_name": order.customer.name,
            "order": str(order.id),
            "order_name": order.name,
            "provision": str(provision.id),
            "provision_name": provision.name,
            "backup": str(backup.id),
            "backup_name": backup.name,
            "created_at": backup.created_at.isoformat(),
            "source": backup.source,
            "safety": str(int(backup.is_safety)),
        }

    def _progress(self, source: TreeSource, done: SnapshotProgress) -> None:
        # Beside a parent nothing was counted: the server has about as much as it had then.
        expected = source.bytes_total or self._parent_bytes
        total = max(expected, done.bytes) if expected else None
        self._making.lease.progress(bytes_done=done.bytes, bytes_total=total, phase=self._making.phase)

    def _made(self, root: SnapshotRoot, key: str, *, read_whole: bool, excluded: Excluded) -> Made:
        # Read back before it is listed: size and seal of the object that lists it.
        root_load(self._repository.objects, root.snapshot)
        stored = self._repository.objects.storage.size(self._repository.objects.path(SNAPSHOTS, root.snapshot))
        return Made(
            target=self._row.target,
            repository=self._row,
            key=key,
            sealed=True,
            stored_bytes=stored,
            added_bytes=root.stored_bytes,
            # As in an archive, neither the root folder nor what was left out is an entry.
            entries=max(0, root.entries - root.skipped - 1),
            content_bytes=root.bytes,
            consistency=Consistency(root.labels.get("consistency", Consistency.LIVE)),
            warnings_total=self._warnings_total,
            warnings=tuple(self._warnings[:WARNINGS_KEPT]),
            content_type=CONTENT_TYPE,
            read_whole=read_whole,
            excluded=excluded,
        )


def _still_ours(lease: Lease) -> None:
    lease.checkpoint()
    lease.fence_check()


@contextmanager
def _source_errors() -> Iterator[None]:
    """Translate the errors of the source; a snapshot that took so long that it was given up is begun anew."""
    try:
        yield
    except SidecarClientError:
        raise
    except (SourceGone, TreeFailed) as error:
        raise SourceFailed from error
    except Overtaken as error:
        raise Postponed(seconds=OVERTAKEN_SECONDS, counts=True) from error
