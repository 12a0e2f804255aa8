"""A rental whose server has files of every kind, with backups of them that are sealed in storage."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backups.formats.upload import object_upload
from backups.models import Backup
from orders.models import BackupFormat, Order
from repository.archive.object_keys import LISTING_SUFFIX, archive_context, archive_key, listing_context
from repository.chunked.snapshots.create import snapshot_create
from tests.factories import AssetFactory, BackupFactory
from tests.sidecar_archive.listings import packed
from tests.world.rental import Rental
from trees.local.tree import LocalTree
from vault.models import Asset, StorageTarget
from vault.services.keys import data_key_ensure
from vault.services.opening import target_open
from vault.services.repositories import repository_ensure, repository_make, snapshot_key

NOT_UTF8 = b"b\xffd.txt"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b""),
    )
)  # fmt: skip
"""A picture of one pixel."""
TIME = 1_600_000_000
"""When every file was changed last."""


@dataclass
class Stocked(Rental):
    """`files` is the folder of the server's files, which a test may change between two backups."""

    files: Path
    format: BackupFormat = BackupFormat.ARCHIVE

    def write(self, path: str | bytes, content: bytes, *, changed: int = TIME) -> Path:
        """Write a file, with the folders above it."""
        found = self.files / os.fsdecode(path)
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_bytes(content)
        os.utime(found, (changed, changed))
        return found

    def stock(self) -> None:
        """Write some files."""
        self.write("server.properties", b"motd=Hello\nport=25565\n")
        self.write("world/level.dat", bytes(range(256)) * 40)
        self.write("world/region/r.0.0.mca", os.urandom(3 << 20))
        for number in range(120):
            self.write(f"world/playerdata/{number:03d}.dat", b"x" * (500 - number))
        self.write("logs/2026 & more/latest 100%.log", b"<script>alert(1)</script>\n")
        self.write(NOT_UTF8, b"bytes")
        self.write("Long name/" * 12 + "deep.txt", b"deep")
        (self.files / "world/way").symlink_to("level.dat")
        (self.files / "world/twin.dat").hardlink_to(self.files / "world/level.dat")
        (self.files / "empty").mkdir()

    def keep(self, **values: Any) -> Backup:
        """A ready backup of the files as they are, in the format of this world."""
        if self.format == BackupFormat.REPOSITORY:
            return self._keep_snapshot(**values)
        return self._keep_archive(**values)

    def _keep_snapshot(self, **values: Any) -> Backup:
        row = repository_ensure(customer=self.order.customer, target=self.target)
        snapshot = uuid.uuid4()
        root = snapshot_create(repository_make(row), source=LocalTree(self.files), snapshot=snapshot.bytes)
        asset = Asset.objects.create(
            customer=self.order.customer, target=self.target, key=snapshot_key(row, snapshot), repository=row,
            sealed=True, size_bytes=None, stored_bytes=1, sha256=None, content_type="application/zstd",
        )  # fmt: skip
        return BackupFactory(
            provision=self.server, asset=asset, format=self.format, size_bytes=root.bytes, listing_bytes=None, **values
        )

    def _keep_archive(self, **values: Any) -> Backup:
        made = packed(self.files)
        backup, customer, storage = uuid.uuid4(), self.order.customer, target_open(self.target)
        key = archive_key(order=self.order.id, backup=backup, fence=1)
        data_key = data_key_ensure(customer=customer, target=self.target, storage=storage)
        stored = [
            object_upload(
                chunks=[content], storage=storage, key=name, expected_size=len(content), before_commit=int,
                seal=(data_key, context(tenant=customer.id, target=self.target.id, key=key)),
            )
            for content, name, context in (
                (made.archive, key, archive_context), (made.listing, key + LISTING_SUFFIX, listing_context),
            )
        ]  # fmt: skip
        asset = AssetFactory(
            customer=customer, target=self.target, key=key, sealed=True, size_bytes=len(made.archive),
            stored_bytes=stored[0], sha256=hashlib.sha256(made.archive).hexdigest(),
        )  # fmt: skip
        return BackupFactory(id=backup, provision=self.server, asset=asset, listing_bytes=stored[1], **values)


def kept_twice(order_id: str) -> list[uuid.UUID]:
    """Two snapshots of an order's made-up files, on the default target: a text, a picture and folders."""
    order, target = Order.objects.get(id=order_id), StorageTarget.objects.get(is_default=True)
    server = order.provisions.get(is_primary=True)
    with tempfile.TemporaryDirectory() as folder:
        world = Stocked(
            order, server, sidecar=server, target=target, root=Path(), files=Path(folder),
            format=BackupFormat.REPOSITORY,
        )  # fmt: skip
        world.stock()
        world.write("icon.png", PICTURE)
        older = world.keep(name="Before the update")
        world.write("server.properties", b"motd=Bye\nport=25565\n")
        return [older.id, world.keep(name="After the update").id]
