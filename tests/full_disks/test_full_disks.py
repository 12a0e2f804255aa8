"""Full volumes of real size limits: a clean failure, no leftovers, live files intact, and deleting works."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.models import Backup, BackupStatus
from backups.services.backups import backup_delete
from operations.models import OperationState
from tests.full_disks.volumes import BALLAST, files, fill, small_volume
from tests.world.linked import WORLD_BYTES, Linked

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

MIB = 1 << 20


@pytest.fixture
def small_storage(tmp_path: Path) -> Iterator[Path]:
    with small_volume(tmp_path / "storage", 12) as folder:
        yield folder


@pytest.fixture
def small_world(tmp_path: Path) -> Iterator[Path]:
    with small_volume(tmp_path / "sidecar" / "world", 48) as folder:
        yield folder


@pytest.fixture
def small_scratch(tmp_path: Path) -> Iterator[Path]:
    with small_volume(tmp_path / "sidecar" / "scratch", 12) as folder:
        yield folder


def deleted(linked: Linked, backup: Backup) -> bool:
    """Delete a backup; returns whether it is gone with all its objects."""
    backup_delete(user=linked.owner, backup=backup)
    return linked.work().state == OperationState.SUCCEEDED and not Backup.objects.filter(id=backup.id).exists()


def test_a_full_storage_fails_the_create_and_can_be_emptied(small_storage: Path, linked: Linked) -> None:
    kept = linked.created()
    fill(small_storage, leave=MIB)
    before = files(small_storage)

    failed = linked.created()

    assert (failed.status, failed.operation.error_code) == (BackupStatus.FAILED, "storage_full")
    assert files(small_storage) == before
    fill(small_storage)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        (small_storage / "probe").write_bytes(bytes(MIB))
    assert deleted(linked, kept)
    assert [name for name in files(small_storage) if name.endswith(".tar.gz")] == []
    (small_storage / "probe").unlink()
    assert linked.created().status == BackupStatus.READY


def test_full_data_volume_fails_the_restore_and_keeps_the_files(
    small_world: Path,
    linked: Linked,
) -> None:
    backup = linked.created()
    (small_world / "level.dat").write_bytes(b"changed since" * 1000)
    fill(small_world, leave=MIB)
    before = {path.name: (path.lstat().st_ino, path.read_bytes()) for path in small_world.iterdir()}
    linked.restore_ask(backup, safety=False)

    operation = linked.work()

    assert (operation.state, operation.error_code) == (OperationState.FAILED, "not_enough_space")
    assert {path.name: (path.lstat().st_ino, path.read_bytes()) for path in small_world.iterdir()} == before
    assert linked.daemon.left_in_scratch() == []
    other = linked.created()
    assert other.status == BackupStatus.READY
    assert deleted(linked, other)

    (small_world / BALLAST).unlink()
    linked.restore_ask(backup, safety=False)
    assert linked.work().state == OperationState.SUCCEEDED
    assert len(linked.level()) == WORLD_BYTES


@pytest.mark.parametrize("kind", ["create", "restore"])
def test_full_scratch_folder_fails_only_operations_that_need_it(
    small_scratch: Path,
    linked: Linked,
    kind: str,
) -> None:
    backup = linked.created()
    level = linked.level()
    fill(small_scratch, leave=MIB)
    if kind == "restore":
        linked.restore_ask(backup, safety=False)
    else:
        linked.create()

    operation = linked.work()

    assert (operation.state, operation.error_code) == (OperationState.FAILED, "scratch_full")
    assert linked.level() == level
    assert linked.daemon.left_in_scratch() == []
    assert not (linked.daemon.world / ".savepoint").exists()
    assert deleted(linked, backup)
    (small_scratch / BALLAST).unlink()
    assert linked.created().status == BackupStatus.READY
