"""A rental with snapshots in a real repository, as the product lists them, made of a folder of this machine."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from backups.models import Backup
from operations.models import Operation
from operations.work.run import operation_answer
from orders.models import BackupFormat
from provisions.models import Provision
from repository.chunked.objects import PACKS, SNAPSHOTS
from repository.chunked.repository import Repository as OpenRepository
from repository.chunked.snapshots.create import snapshot_create
from tests.factories import AssetFactory, BackupFactory, StoredObjectFactory
from tests.world.rental import Rental
from trees.local.tree import LocalTree
from vault.models import Asset, Repository
from vault.services import repositories
from vault.services.repositories import repository_ensure, repository_get, repository_make, snapshot_key, snapshot_of


class Snapshots(Rental):
    """The folder `world` is the server's; `snapshot` stores it as a backup."""

    @property
    def world(self) -> Path:
        return self.root.parent / "world"

    @property
    def row(self) -> Repository:
        return repository_ensure(customer=self.order.customer, target=self.target)

    def opened(self) -> OpenRepository:
        return repository_get(self.row)

    def write(self, **files: int | bytes) -> None:
        """Write files of that many random bytes, or of these bytes."""
        self.world.mkdir(exist_ok=True)
        for name, content in files.items():
            random = Random(name)  # noqa: S311
            (self.world / name).write_bytes(content if isinstance(content, bytes) else random.randbytes(content))

    def snapshot(self, *, server: Provision | None = None, **values: Any) -> Backup:
        """A ready backup of the folder, in the customer's repository."""
        server = server or self.server
        key_of = repository_make(self.row)
        backup_id = uuid4()
        labels = {
            "tenant_name": server.order.customer.name, "order": str(server.order_id), "order_name": server.order.name,
            "provision": str(server.id), "provision_name": server.name, "backup": str(backup_id),
            "backup_name": "Nightly", "created_at": timezone.now().isoformat(), "source": "files", "safety": "0",
            "consistency": "live",
        }  # fmt: skip
        root = snapshot_create(key_of, source=LocalTree(self.world), labels=labels, threads=1)
        key = snapshot_key(self.row, UUID(bytes=root.snapshot))
        asset = AssetFactory(
            customer=server.order.customer, target=self.target, key=key, repository=self.row, sealed=True,
            size_bytes=None, sha256=None, stored_bytes=(self.root / key).stat().st_size,
        )  # fmt: skip
        StoredObjectFactory(target=self.target, key=key, backup_id=backup_id)
        return BackupFactory(
            id=backup_id, provision=server, asset=asset, name="Nightly", size_bytes=root.bytes,
            content_bytes=root.bytes, added_bytes=root.stored_bytes, format=BackupFormat.REPOSITORY, **values,
        )  # fmt: skip

    def packs(self) -> dict[bytes, Path]:
        """The packs in storage."""
        folder = self.root / repositories.repository_folder(self.row)
        return {pack: folder / PACKS.key(pack) for pack, _ in self.opened().objects.list(PACKS)}

    def pack_of(self, backup: Backup, path: bytes) -> Path:
        return pack_of(self, backup, path)

    def root_of(self, backup: Backup) -> Path:
        return self.root / backup.asset.key

    def listed(self) -> set[bytes]:
        return {name for name, _ in self.opened().objects.list(SNAPSHOTS)}

    def run(self, operation: Operation) -> Operation:
        """Be the worker for an operation; return it as it is then."""
        Operation.objects.filter(id=operation.id).update(not_before=None)
        operation_answer(operation.id)
        operation.refresh_from_db()
        return operation


def pack_of(rental: Rental, backup: Backup, path: bytes) -> Path:
    """The pack with the first chunk of a file of a snapshot."""
    asset = Asset.objects.get(backup=backup)
    assert asset.repository is not None
    opened = repository_get(asset.repository)
    record, _ = next(opened.manifest(snapshot_of(asset)).under(path))
    assert record.content is not None
    pack = opened.chunks().index.find(record.content.ids[:32]).pack
    return rental.root / repositories.repository_folder(asset.repository) / PACKS.key(pack)


def flip(path: Path, at: int = -40) -> bytes:
    """Change a byte of a file; return the whole as it was."""
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[at] ^= 1
    path.write_bytes(changed)
    return whole


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Let repositories be opened at a later time."""
    moment = timezone.now() + by

    def clock() -> Any:
        def now() -> datetime:
            return moment

        return now

    monkeypatch.setattr(repositories, "database_clock", clock)
