"""Hostile archives through the front door: each is a ready backup's; a customer restores it, the real sidecar refuses.

The restore fails with a code of its own and is audited, and no name, byte, mode or inode has changed anywhere.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from backups.models import Backup, BackupStatus
from backups.services.restores import RestoreOptions, backup_restore
from demo.comparison import Tree, tree_read
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from tests.hostile.corpus import CORPUS, STRIPPED, WHOLE, packed
from tests.sidecar_daemon.daemon import Daemon
from tests.world.rental import Rental
from vault.models import Asset, StoredObject

pytestmark = [pytest.mark.django_db, pytest.mark.processes]


def planted(rental: Rental, archive: bytes) -> Backup:
    """A ready backup with these bytes as its archive and the right checksum: an attacker wrote to the storage."""
    backup = Backup.objects.create(order=rental.order, provision=rental.server, name="planted")
    key = f"backups/{rental.order.id}/{uuid4()}.tar.gz"
    path = Path(rental.root, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive)
    StoredObject.objects.create(target=rental.target, key=key, backup_id=backup.id)
    asset = Asset.objects.create(
        customer=rental.order.customer, target=rental.target, key=key, sealed=False, size_bytes=len(archive),
        stored_bytes=len(archive), sha256=hashlib.sha256(archive).hexdigest(), content_type="application/gzip",
    )  # fmt: skip
    Backup.objects.filter(id=backup.id).update(
        status=BackupStatus.READY, asset=asset, size_bytes=len(archive), completed_at=timezone.now()
    )
    return backup


def restored(rental: Rental, backup: Backup, *, mode: str = "replace", safety: bool = False) -> Operation:
    backup_restore(
        user=rental.owner, order_id=rental.order.id, provision_id=rental.server.id, backup_id=backup.id,
        options=RestoreOptions(mode=mode, safety=safety), idempotency=None,
    )  # fmt: skip
    operation = Operation.objects.get(kind="restore")
    operation_answer(operation.id)
    operation.refresh_from_db()
    return operation


def everything(*tops: Path) -> list[Tree]:
    """All of them, inodes too; a top's own time not, where something of ours comes and goes."""
    trees = [tree_read(top, top=True, identity=True) for top in tops]
    for tree in trees:
        tree[b""] = replace(tree[b""], mtime_ns=0, identity=(0, 0))
    return trees


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", CORPUS)
def test_hostile_archive_fails_with_its_code_and_changes_nothing(rental: Rental, daemon: Daemon, name: str) -> None:
    archive, code = CORPUS[name]
    backup = planted(rental, archive)
    tops = (daemon.world, daemon.folder / "outside", rental.root)
    before, beside = everything(*tops), names(daemon.folder)

    operation = restored(rental, backup)

    assert (operation.state, operation.error_code) == (OperationState.FAILED, code)
    assert everything(*tops) == before
    assert names(daemon.folder) == beside
    assert daemon.left_in_scratch() == []
    assert Backup.objects.get(id=backup.id).status == BackupStatus.READY
    audited = AuditEvent.objects.filter(order_id=rental.order.id, action="restore.failed").get()
    assert audited.data["code"] == code


@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_a_hostile_archive_is_refused_with_a_safety_backup_too(rental: Rental, daemon: Daemon, mode: str) -> None:
    backup = planted(rental, CORPUS["a file through a symlink"][0])
    tops = (daemon.world, daemon.folder / "outside")
    before = everything(*tops)

    assert restored(rental, backup, mode=mode, safety=True).error_code == "archive_refused"

    assert everything(*tops) == before
    safety = Backup.objects.get(is_safety=True)
    assert safety.status == BackupStatus.READY


@pytest.mark.parametrize("name", STRIPPED)
def test_a_bit_that_lends_rights_is_not_restored(rental: Rental, daemon: Daemon, name: str) -> None:
    backup = planted(rental, packed(STRIPPED[name]))
    assert restored(rental, backup, mode="overlay").state == OperationState.SUCCEEDED
    tool = daemon.world / "tool"
    assert stat.S_IMODE(tool.stat().st_mode) & 0o6000 == 0
    tool.unlink()


def test_an_honest_archive_planted_in_the_same_way_is_restored(rental: Rental, daemon: Daemon) -> None:
    """Shows that the other archives are not refused for the way they were planted."""
    assert restored(rental, planted(rental, WHOLE), mode="overlay").state == OperationState.SUCCEEDED
    other = daemon.world / "world" / "other"
    assert other.stat().st_size == 256 * 40
    other.unlink()
