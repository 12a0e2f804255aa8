"""Hostile snapshots through the front door: the manifests, sealed with the customer's own key, that no writer produces.

The restore fails with a code of its own and is audited, and no name, byte, mode or inode has changed anywhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from uuid import UUID

import pytest

from accounts.models import AuditEvent
from backups.models import Backup, BackupStatus
from operations.models import OperationState
from orders.models import BackupFormat
from repository.chunked.manifest.records import Record
from tests.factories import AssetFactory, BackupFactory, StoredObjectFactory
from tests.hostile.test_front_door import everything, names, restored
from tests.repository.restoring.trees import file, folder, hard_link, meta, records_keep, symlink
from tests.sidecar_daemon.daemon import Daemon
from tests.world.rental import Rental
from trees.source import Kind
from vault.services.repositories import repository_ensure, repository_make, snapshot_key

pytestmark = [pytest.mark.django_db, pytest.mark.processes]

ROOT = folder(b"")
OUTSIDE = b"../outside"
MIB = 1 << 20
DAMAGED, REFUSED = "archive_damaged", "archive_refused"

HOSTILE: dict[str, tuple[list[Record], str]] = {
    "a path up and out": ([ROOT, file(b"../outside/new", b"x")], DAMAGED),
    "an absolute path": ([ROOT, file(b"/etc/new", b"x")], DAMAGED),
    "a path out in its middle": ([ROOT, folder(b"a"), file(b"a/../../outside/new", b"x")], DAMAGED),
    "a file through a symlink": ([ROOT, symlink(b"way", OUTSIDE), file(b"way/new", b"x")], REFUSED),
    "a folder in the place of a symlink": ([ROOT, symlink(b"way", OUTSIDE), folder(b"way")], DAMAGED),
    "a file below a file": ([ROOT, file(b"a", b"x"), file(b"a/b", b"x")], REFUSED),
    "a hard link to a symlink": ([ROOT, symlink(b"way", b"../outside/precious"), hard_link(b"z", b"way")], DAMAGED),
    "a hard link to nothing": ([ROOT, hard_link(b"z", b"nothing")], DAMAGED),
    "a device": ([ROOT, Record(Kind.FOLDER, b"null", meta(mode=0o20666))], DAMAGED),
    "an order of its own": ([ROOT, file(b"b", b"x"), file(b"a", b"x")], DAMAGED),
    "the reserved folder": ([ROOT, folder(b".savepoint"), file(b".savepoint/journal", b"x")], REFUSED),
    "a bomb of entries": ([ROOT, *(file(b"f%04d" % number, b"x") for number in range(2100))], REFUSED),
    "a bomb of bytes": ([ROOT, *(file(b"f%02d" % number, bytes([number]) * MIB) for number in range(1, 27))], REFUSED),
    "a bomb of depth": ([ROOT, *(folder(b"/".join([b"d"] * depth)) for depth in range(1, 60))], REFUSED),
}  # fmt: skip


def planted(rental: Rental, records: list[Record]) -> Backup:
    """A ready backup whose snapshot has exactly these records."""
    row = repository_ensure(customer=rental.order.customer, target=rental.target)
    key = snapshot_key(row, UUID(bytes=records_keep(repository_make(row), records)))
    asset = AssetFactory(
        customer=rental.order.customer, target=rental.target, key=key, repository=row, sealed=True, size_bytes=None,
        sha256=None, stored_bytes=(rental.root / key).stat().st_size,
    )  # fmt: skip
    backup: Backup = BackupFactory(provision=rental.server, asset=asset, size_bytes=1, format=BackupFormat.REPOSITORY)
    StoredObjectFactory(target=rental.target, key=key, backup_id=backup.id)
    return backup


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_snapshot_fails_with_its_code_and_changes_nothing(rental: Rental, daemon: Daemon, name: str) -> None:
    records, code = HOSTILE[name]
    backup = planted(rental, records)
    tops = (daemon.world, daemon.folder / "outside")
    before, beside = everything(*tops), names(daemon.folder)

    operation = restored(rental, backup)

    assert (operation.state, operation.error_code) == (OperationState.FAILED, code)
    assert everything(*tops) == before
    assert names(daemon.folder) == beside
    assert daemon.left_in_scratch() == []
    assert Backup.objects.get(id=backup.id).status == BackupStatus.READY
    audited = AuditEvent.objects.filter(order_id=rental.order.id, action="restore.failed").get()
    assert audited.data["code"] == code


def link_out(daemon: Daemon) -> None:
    assert os.readlink(daemon.world / "zz-way") == os.fsdecode(OUTSIDE)  # noqa: PTH115  # its text is what counts


def no_rights_lent(daemon: Daemon) -> None:
    tool = daemon.world / "zz-tool"
    assert (tool.read_bytes(), stat.S_IMODE(tool.stat().st_mode)) == (b"x", 0o755)


HARMLESS: dict[str, tuple[list[Record], str, Callable[[Daemon], None]]] = {
    "a link that leads out is a link": ([ROOT, symlink(b"zz-way", OUTSIDE)], "zz-way", link_out),
    "a bit that lends rights is dropped": ([ROOT, file(b"zz-tool", b"x", mode=0o6755)], "zz-tool", no_rights_lent),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_can_be_contained_is_restored(rental: Rental, daemon: Daemon, name: str) -> None:
    """Shows too that the others are not refused for the way they were planted."""
    records, made, require = HARMLESS[name]
    outside = everything(daemon.folder / "outside")
    assert restored(rental, planted(rental, records), mode="overlay").state == OperationState.SUCCEEDED
    require(daemon)
    (daemon.world / made).unlink()
    assert everything(daemon.folder / "outside") == outside
