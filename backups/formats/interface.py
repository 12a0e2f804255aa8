"""The interface between a backup and the format of its content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from django.utils import timezone

from archives.tar_stream import Member
from backups.errors import PathNotFound
from backups.formats.download import Content, DownloadChoice
from backups.models import Backup, BackupStatus
from backups.services.collapse import collapse_fields
from backups.services.roles import operation_order
from backups.services.sidecars import operation_destination
from common.paths import path_parsed, path_text
from common.states import compare_and_set
from operations.models import Operation
from operations.work.lease import FenceLost, Lease
from orders.patterns import pattern_text
from pipelines.pacing import NO_LIMIT, Bandwidth
from repository.browsing import Blocks, Item
from repository.checkpoint import Checkpoint
from repository.errors import PathNotFound as NoSuchPath
from sidecar_client.client import ArchiveWarning, ExtractProgress, SidecarClient
from sidecar_client.estimate import NO_EXCLUDE
from sidecar_client.values import Exclude, Excluded, SidecarInfo
from vault.models import Asset, Repository, StorageTarget
from vault.services.keys import DataKeys
from wire.enums import Consistency, ServerControl

WARNINGS_KEPT = 1000
NOTHING_EXCLUDED = Excluded()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Content that is complete in storage and not listed yet.

    size_bytes, sha256: of an archive, as it is downloaded. content_bytes: of the files in it. added_bytes: what this
    backup alone added to the storage. listing_bytes: the stored size of an archive's listing. read_whole: every file
    was read, whatever an earlier backup said of it. warnings: the first of `warnings_total`. excluded: what patterns
    left out.
    """

    target: StorageTarget
    key: str
    sealed: bool
    stored_bytes: int
    added_bytes: int
    entries: int
    content_bytes: int
    consistency: Consistency
    warnings_total: int
    warnings: tuple[ArchiveWarning, ...]
    content_type: str
    size_bytes: int | None = None
    sha256: str | None = None
    listing_bytes: int | None = None
    repository: Repository | None = None
    read_whole: bool = True
    excluded: Excluded = NOTHING_EXCLUDED

    @property
    def shown_bytes(self) -> int:
        """The size that people see: of the download, or of the files while every download is made on the fly."""
        return self.content_bytes if self.size_bytes is None else self.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """One attempt to make a backup's content. phase: the name of its progress. exclude: the files to leave out."""

    operation: Operation
    backup: Backup
    client: SidecarClient
    lease: Lease
    phase: str
    exclude: Exclude = NO_EXCLUDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """One attempt to restore the content of `source` onto the server behind the client, or into a volume beside it.

    bandwidth: the limit of the plan for what is sent.
    """

    operation: Operation
    source: Backup
    client: SidecarClient
    info: SidecarInfo
    lease: Lease
    bandwidth: Bandwidth = NO_LIMIT

    def pace(self, size: int) -> None:
        """Wait until so many bytes may be sent. Raises what the lease's checkpoint raises."""
        self.bandwidth.take(size, check=self.lease.checkpoint)

    @property
    def paths(self) -> tuple[bytes, ...]:
        """Only these, with everything below them; empty for everything."""
        return tuple(path_parsed(text) for text in self.operation.params.get("paths", ()))

    @property
    def destination(self) -> str:
        """Where the content goes, as the sidecar names it."""
        return operation_destination(self.operation)

    @property
    def safety(self) -> str:
        """The scratch file that lists what the safety backup left out, as the sidecar names it; empty for none."""
        return safety_path(self.operation) if self.operation.params.get("safety") else ""

    @property
    def server(self) -> ServerControl:
        """The treatment of the game server during the exchange."""
        return ServerControl(self.operation.params.get("server", ServerControl.AUTO))


class Format(Protocol):
    """One format. Every method may raise the errors of storage and keys (`vault.services.opening`)."""

    name: str
    reads_whole: bool
    """Whether a file is read by a pass over the whole content."""

    def make(self, making: Making) -> Made:
        """Store the server's files; nothing is listed. Raises what a sidecar fails with, and the lease's errors."""
        ...

    def listing(self, backup: Backup, *, checkpoint: Checkpoint) -> Iterator[bytes]:
        """The bytes of the list of a backup's entries (`wire.listing`). Raises PreviewUnavailable without one."""
        ...

    def entries_expect(self, backups: Sequence[Backup]) -> None:
        """Read together, where that is faster, what the entries of these backups of this format need."""
        ...

    def entries(self, backup: Backup, *, keys: DataKeys) -> AbstractContextManager[Blocks]:
        """The entries of a backup to browse; what the database has is read before the block begins.

        The block raises FilesUnavailable without a whole list of them, and ArchiveDamagedError.
        """
        ...

    def content(self, backup: Backup, item: Item, *, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of a file from `start` up to `stop`. Raises ArchiveDamagedError."""
        ...

    def members(self, backup: Backup, *, checkpoint: Checkpoint) -> AbstractContextManager[Iterator[Member]]:
        """Everything in a backup in the order of its listing, each member's content to be read before the next one.

        The whole of what is stored is read and checked. Block and content raise ArchiveDamagedError, the content of a
        file in a snapshot ContentDamaged; the next member can be requested then.
        """
        ...

    def fetch(self, restoring: Restoring) -> None:
        """Verify and bring to the sidecar what the restore needs before the safety backup is made."""
        ...

    def extract(self, restoring: Restoring, *, on_progress: Callable[[ExtractProgress], None]) -> None:
        """Let the sidecar stage and exchange the files. After any error only its journal tells how far it got."""
        ...

    def download(self, asset: Asset, choice: DownloadChoice) -> Content:
        """The bytes that a customer downloads. Opens nothing."""
        ...

    def scratch(self, operation: Operation) -> tuple[str, ...]:
        """The paths of the sidecar's scratch files that a restore of this operation may have left."""
        ...


def safety_path(operation: Operation) -> str:
    """The list of what the safety backup of a restore left out, as the sidecar names it."""
    return f"/tmp/restore-{operation.id}.safety"  # noqa: S108  # a path of the sidecar


@contextmanager
def path_errors() -> Iterator[None]:
    """Translate the error of a path that a snapshot does not have."""
    try:
        yield
    except NoSuchPath as error:
        raise PathNotFound from error


def made_record(*, operation: Operation, backup: Backup, made: Made) -> None:
    """Make the backup ready, in the transaction in which the caller holds its fence. Raises FenceLost."""
    order = operation_order(operation)
    asset = Asset.objects.create(
        customer=order.customer,
        target=made.target,
        key=made.key,
        repository=made.repository,
        sealed=made.sealed,
        size_bytes=made.size_bytes,
        stored_bytes=made.stored_bytes,
        sha256=made.sha256,
        content_type=made.content_type,
    )
    ready = compare_and_set(
        Backup.objects.filter(id=backup.id, status=BackupStatus.CREATING),
        status=BackupStatus.READY,
        asset=asset,
        size_bytes=made.shown_bytes,
        added_bytes=made.added_bytes,
        entries=made.entries,
        content_bytes=made.content_bytes,
        **collapse_fields(
            backup=backup,
            percent=order.plan.collapse_percent,
            entries=made.entries,
            content_bytes=made.content_bytes,
            excluded=made.excluded,
        ),
        excluded={
            "entries": made.excluded.entries,
            "bytes": made.excluded.bytes,
            "patterns": [pattern_text(pattern) for pattern in made.excluded.patterns],
        },
        listing_bytes=made.listing_bytes,
        read_whole=made.read_whole,
        consistency=str(made.consistency),
        warnings_total=made.warnings_total,
        warnings=[{"kind": item.kind, "path": path_text(item.path)} for item in made.warnings],
        completed_at=timezone.now(),
    )
    if not ready:
        raise FenceLost
