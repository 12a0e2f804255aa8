"""A customer's main jobs, the same in each format: through the services, a real worker, sidecar and storage."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from random import Random

import pytest

from backups.models import BackupStatus
from demo.comparison import differences, live_read
from operations.models import OperationState
from orders.models import BackupFormat
from tests.formats.conftest import STORED
from tests.world.linked import Linked
from vault.models import StoredObject

pytestmark = pytest.mark.parametrize("rented", STORED, ids="-".join, indirect=True)


def world_make(root: Path) -> None:
    """Fill the folder with files of each size and kind."""
    random = Random(7)  # noqa: S311  # the same in every run
    for number in range(60):
        folder = root / f"plugins/{number % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"config-{number}.yml").write_bytes(random.randbytes(random.randrange(9000)))
    (root / "region").mkdir()
    (root / "region/r.0.0.mca").write_bytes(random.randbytes(5 << 20))
    (root / "empty").mkdir()
    (root / "latest").symlink_to("region/r.0.0.mca")
    os.link(root / "region/r.0.0.mca", root / "twin.mca")
    (root / os.fsdecode(b"odd \xff\n name")).write_bytes(b"odd")
    with (root / "sparse.db").open("wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"in the middle")


def world_change(root: Path) -> None:
    """Change, remove, add."""
    with (root / "region/r.0.0.mca").open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"built a castle")
    (root / "plugins/1/config-1.yml").unlink()
    (root / "plugins/1/new.yml").write_text("new: true")
    (root / "level.dat").write_bytes(b"other")


def test_a_changed_server_comes_back_as_it_was(rented: Linked) -> None:
    world = rented.daemon.world
    world_make(world)
    before = live_read(world)
    first = rented.backup()
    world_change(world)
    changed = live_read(world)
    second = rented.backup()
    rented.restore(first)
    assert differences(before, live_read(world)) == []
    rented.restore(second)
    assert differences(changed, live_read(world)) == []


def test_a_restore_is_taken_back(rented: Linked) -> None:
    world = rented.daemon.world
    world_make(world)
    backup = rented.backup()
    world_change(world)
    changed = live_read(world)
    rented.restore(backup)
    assert rented.undo(backup).state == OperationState.SUCCEEDED
    assert differences(changed, live_read(world)) == []


@pytest.mark.parametrize("mode", ["replace", "overlay"])
def test_chosen_paths_alone_come_back(mode: str, rented: Linked) -> None:
    world = rented.daemon.world
    world_make(world)
    before = live_read(world)
    backup = rented.backup()
    world_change(world)
    changed = live_read(world)
    rented.restore(backup, mode=mode, paths=(b"plugins/1/config-1.yml", b"level.dat"))
    expected = dict(changed) | {path: before[path] for path in (b"plugins/1/config-1.yml", b"level.dat")}
    found = live_read(world)
    folder = b"plugins/1"
    expected[folder] = found[folder]  # its time is that of the restore
    assert differences(expected, found) == []


def test_a_backup_is_of_the_plans_format(rented: Linked) -> None:
    backup = rented.backup()
    assert backup.format == rented.order.plan.backup_format
    assert (backup.asset.repository is not None) == (backup.format == BackupFormat.REPOSITORY)
    assert backup.entries == 1
    assert backup.content_bytes == len(rented.level())
    assert backup.consistency == "live"


def test_a_deleted_backup_is_gone_from_storage(rented: Linked) -> None:
    kept, backup = rented.backup(), rented.backup()
    key = backup.asset.key
    assert (rented.root / key).exists()
    rented.delete(backup)
    assert not (rented.root / key).exists()
    assert StoredObject.objects.get(key=key).swept_at is not None
    (rented.daemon.world / "level.dat").write_bytes(b"lost")
    rented.restore(kept)
    assert len(rented.level()) == 3 << 20


def test_a_create_whose_sidecar_is_away_lists_nothing(rented: Linked) -> None:
    rented.daemon.stop()
    backup = rented.created()
    assert (backup.status, backup.operation.error_code) == (BackupStatus.FAILED, "sidecar_unavailable")
    assert not StoredObject.objects.filter(condemned_at__isnull=True).exists()


@pytest.mark.parametrize("path", [b"nothing", b"plugins/9", b"level.dat/below"])
def test_a_path_that_the_backup_lacks_is_not_restored(path: bytes, rented: Linked) -> None:
    world_make(rented.daemon.world)
    backup = rented.backup()
    before = live_read(rented.daemon.world)
    rented.restore_ask(backup, paths=(b"level.dat", path))
    assert rented.work().error_code == "path_not_found"
    assert differences(before, live_read(rented.daemon.world)) == []
    backup.refresh_from_db()
    assert backup.status == BackupStatus.READY


def test_a_chosen_database_brings_its_journal(rented: Linked) -> None:
    world = rented.daemon.world
    database = sqlite3.connect(world / "players.db")
    database.execute("pragma journal_mode=wal")
    database.execute("create table players (name)")
    database.execute("insert into players values ('steve')")
    database.commit()
    kept = {path.name: path.read_bytes() for path in world.glob("players.db*")}
    backup = rented.backup()
    database.close()
    for path in world.glob("players.db*"):
        path.write_bytes(b"broken")
    rented.restore(backup, mode="overlay", paths=(b"players.db",))
    wanted = {name: content for name, content in kept.items() if not name.endswith("-shm")}
    assert {name: (world / name).read_bytes() for name in wanted} == wanted
