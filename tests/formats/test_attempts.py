"""R4, R18 and R25: attempts that end between manifest and commit, late deletes, and changes that no time shows."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus, Depth
from backups.services.verification import backup_verify
from backups.work import create
from demo.comparison import differences, live_read
from operations.models import Operation, OperationState
from operations.supervision.expired_leases import operation_lost
from orders.models import BackupFormat
from tests.faults import raising
from tests.sidecar_daemon.snapshots import TrustingDaemon
from tests.world.clients import client_of
from tests.world.linked import Linked
from trees import trust
from vault.models import StoredObject
from vault.services.opening import target_open
from vault.services.sweep import object_delete, storage_sweep

pytestmark = pytest.mark.processes


class Killed(BaseException):
    """The end of a worker that nothing catches."""


def objects(rented: Linked, backup: Backup) -> list[str]:
    """The keys under which the content of a backup is in storage, of whichever attempt."""
    keys = StoredObject.objects.filter(backup_id=backup.id).values_list("key", flat=True)
    return [key for key in keys if (rented.root / key).exists()]


@contextmanager
def killed_before_commit(monkeypatch: pytest.MonkeyPatch):
    """The worker dies when all is in storage, and nothing is listed."""
    with monkeypatch.context() as patched:
        patched.setattr(create, "_commit", raising(Killed))
        yield


@pytest.fixture
def twice(rented: Linked, monkeypatch: pytest.MonkeyPatch) -> Backup:
    """A backup whose first worker died between manifest and commit; nobody has tried again yet."""
    backup = rented.create()
    operation = Operation.objects.get()
    with killed_before_commit(monkeypatch), pytest.raises(Killed):
        rented.work()
    assert len(objects(rented, backup)) == 1
    assert operation_lost(Operation.objects.get(id=operation.id))
    return backup


def test_an_attempt_that_died_before_its_commit_is_replaced(rented: Linked, twice: Backup) -> None:
    told = client_of(rented.owner).get(rented.backup_url(twice)).json()
    assert (told["status"], told["asset_id"]) == ("creating", None)
    assert rented.work().state == OperationState.SUCCEEDED
    twice.refresh_from_db()
    assert twice.status == BackupStatus.READY
    assert len(objects(rented, twice)) == 2
    storage_sweep()
    assert objects(rented, twice) == [twice.asset.key]
    (rented.daemon.world / "level.dat").write_bytes(b"lost")
    rented.restore(twice)
    assert len(rented.level()) == 3 << 20


def test_an_attempt_that_died_and_was_given_up_leaves_nothing(rented: Linked, twice: Backup) -> None:
    rented.daemon.stop()
    assert rented.work().state == OperationState.FAILED
    storage_sweep()
    assert objects(rented, twice) == []
    assert Backup.objects.get(id=twice.id).status == BackupStatus.FAILED


def test_a_delete_that_comes_late_takes_the_old_attempt_alone(rented: Linked, twice: Backup) -> None:
    assert rented.work().state == OperationState.SUCCEEDED
    twice.refresh_from_db()
    [old] = StoredObject.objects.exclude(key=twice.asset.key)
    assert old.key != twice.asset.key
    for _ in range(2):
        object_delete(old, target_open(rented.target))
        # Once more after the grace, when an upload that was on its way has landed.
        StoredObject.objects.filter(id=old.id).update(condemned_at=timezone.now() - timedelta(days=2))
        storage_sweep()
    assert objects(rented, twice) == [twice.asset.key]
    backup_verify(
        user=rented.owner, order_id=twice.order_id, provision_id=twice.provision_id, backup_id=twice.id,
        depth=Depth.DATA, idempotency=None,
    )  # fmt: skip
    assert rented.work().result["done"]["degraded"] == 0


# Changes that neither size nor time of modification show.

BYTES = 300_000
NEW = b"built a castle"
AT = 123_456


def rewritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(AT)
        file.write(NEW)


def mapped(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
        pages[AT : AT + len(NEW)] = NEW


def replaced(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[AT : AT + len(NEW)] = NEW
    new = path.with_name("new")
    new.write_bytes(content)
    new.rename(path)


@pytest.fixture
def trusting(rented: Linked, monkeypatch: pytest.MonkeyPatch) -> Linked:
    """Sidecar and worker trust the stat of a file that was written just now, so that only its change time tells."""
    monkeypatch.setattr(trust, "WRITTEN_BACK_NS", 0)
    rented.daemon.stop()
    rented.daemon.__class__ = TrustingDaemon
    rented.daemon.start()
    rented.reach(rented.daemon.address, token=rented.daemon.token)
    return rented


@pytest.mark.parametrize("change", [rewritten, mapped, replaced])
def test_new_content_of_the_same_size_and_time_is_captured(trusting: Linked, change: Callable[[Path], None]) -> None:
    rented, world = trusting, trusting.daemon.world
    path = world / "region.mca"
    path.write_bytes(Random(3).randbytes(BYTES))  # noqa: S311  # the same in every run
    long_ago = timezone.now().timestamp() - 1000
    for file in world.iterdir():
        os.utime(file, (long_ago, long_ago))
    first, before = rented.backup(), live_read(world)
    stat = path.stat()
    change(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    second, after = rented.backup(), live_read(world)
    assert differences(before, after) != []
    if second.format == BackupFormat.REPOSITORY:
        assert second.added_bytes < 2 * BYTES < second.content_bytes  # incremental, and the change was found
    for backup, tree in ((first, before), (second, after)):
        path.write_bytes(b"lost")
        rented.restore(backup)
        assert differences(tree, live_read(world)) == []
