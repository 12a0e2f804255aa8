"""R9 and R10: each call to the storage fails, in each job of either format; the job ends cleanly and nothing leaks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backups.models import Backup, BackupStatus, Depth
from backups.services.backups import backup_delete
from backups.services.verification import backup_verify
from operations.models import Operation, OperationState
from orders.models import BackupFormat
from tests.descriptors import descriptors
from tests.repository.maintenance.test_prune_races import requests
from tests.sidecar_daemon.daemon import eventually
from tests.storage.memory import Fault, FaultyStorage
from tests.world.clients import client_of
from tests.world.failing_storage import storage_failing
from tests.world.linked import Linked
from vault.errors import StorageUnavailableError
from vault.models import Asset
from vault.services.sweep import storage_sweep

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("short_pauses"), pytest.mark.timeout(300)]

STEP = {BackupFormat.ARCHIVE: 1, BackupFormat.REPOSITORY: 4}
"""Every call of an archive's jobs fails, and every fourth of a snapshot's. `python -m tests.chaos sweep` fails each."""


def places(kept: Backup, storage: FaultyStorage) -> list[int]:
    """The calls to fail, of those that a healthy job made."""
    asked = range(1, len(storage.calls) + 1) if kept.format == BackupFormat.ARCHIVE else requests(storage)
    return list(asked)[:: STEP[BackupFormat(kept.format)]]


def created(rented: Linked, _kept: Backup) -> None:
    rented.create()
    rented.work()


def restored(rented: Linked, kept: Backup) -> None:
    rented.restore_ask(kept, safety=False)
    rented.work()


def verified(rented: Linked, kept: Backup) -> None:
    backup_verify(
        user=rented.owner, order_id=kept.order_id, provision_id=kept.provision_id, backup_id=kept.id, depth=Depth.DATA,
        idempotency=None,
    )  # fmt: skip
    rented.work()


def deleted(rented: Linked, kept: Backup) -> None:
    backup_delete(user=rented.owner, backup=kept)
    rented.work()


JOBS: dict[str, Callable[[Linked, Backup], None]] = {
    "create": created, "restore": restored, "verify": verified, "delete": deleted,
}  # fmt: skip


HELD_MOST = 2


def nothing_leaks(rented: Linked, *, threads: int) -> None:
    """Assert that this process, the sidecar and the storage hold what they held before."""
    assert eventually(lambda: threading.active_count() <= threads), threading.enumerate()
    # The double may hold those whose reply it lost; a leak would add up over the calls.
    assert len(descriptors(rented.root)) <= HELD_MOST
    assert rented.daemon.left_in_scratch() == []
    assert list((rented.root / ".partial").iterdir()) == []


def owned_only(rented: Linked) -> None:
    """Assert that after a sweep every archive and every root in the storage is a backup's."""
    storage_sweep()
    assert set(Asset.objects.values_list("key", flat=True)) == stored(rented.root)


def stored(root: Path) -> set[str]:
    """The keys of all archives and of all roots of snapshots."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {key for key in found if key.endswith(".tar.gz") or "/snapshots/" in key}


def ended(job: str, fault: Fault) -> Operation:
    """The newest operation, which ended as this job does under this fault."""
    operation = Operation.objects.order_by("created_at").last()
    assert operation is not None
    if operation.state == OperationState.SUCCEEDED:
        return operation
    assert fault == "forever", (operation.error_code, "although every call was repeated")
    if job == "delete":
        assert operation.state == OperationState.QUEUED
    else:
        assert (operation.state, operation.error_code) == (OperationState.FAILED, "storage_unavailable")
    return operation


@pytest.mark.parametrize("fault", ["forever", "once", "reply_lost"])
@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_cleanly_whichever_call_fails(rented: Linked, job: str, fault: Fault) -> None:
    level, kept = rented.daemon.world / "level.dat", rented.backup()
    with storage_failing(rented.root, at=0) as counted:
        JOBS[job](rented, kept)
    if job == "delete":
        kept = rented.backup()
    threads, failures = threading.active_count(), 0
    for at in places(kept, counted):
        level.write_bytes(b"before call %d" % at)
        before = set(Backup.objects.values_list("id", flat=True))
        with storage_failing(rented.root, at=at, fault=fault):
            JOBS[job](rented, kept)
        done = ended(job, fault).state == OperationState.SUCCEEDED
        failures += not done
        nothing_leaks(rented, threads=threads)
        if job == "restore" and not done:
            assert level.read_bytes() == b"before call %d" % at
        if job == "delete":
            if not done:
                rented.work()
            assert not Backup.objects.filter(id=kept.id).exists()
            kept = rented.backup()
        else:
            kept.refresh_from_db()
            assert (kept.status, kept.degraded) == (BackupStatus.READY, False)
        if job == "create":
            made = Backup.objects.exclude(id__in=before).get()
            assert made.status == (BackupStatus.READY if done else BackupStatus.FAILED)
            rented.delete(made)
        owned_only(rented)
    assert bool(failures) == (fault == "forever")
    level.write_bytes(b"lost")
    rented.restore(kept)
    assert rented.level() != b"lost"


@pytest.mark.parametrize("fault", ["forever", "once"])
def test_a_download_breaks_off_or_is_whole_whichever_call_fails(rented: Linked, fault: Fault) -> None:
    kept, client, ends = rented.backup(), client_of(rented.owner), set()
    address = f"/api/v1/assets/{kept.asset_id}/"
    with storage_failing(rented.root, at=0) as counted, closing(client.get(address)) as response:
        whole = b"".join(response.streaming_content)
    threads = threading.active_count()
    for at in places(kept, counted):
        with storage_failing(rented.root, at=at, fault=fault):
            ends.add(downloaded(client, address, whole))
        nothing_leaks(rented, threads=threads)
        kept.refresh_from_db()
        assert not kept.degraded
    assert ("whole" in ends) == (fault == "once")
    assert ends <= ({"refused", "broke off"} if fault == "forever" else {"whole"})


def downloaded(client, address: str, whole: bytes) -> str:
    """The end of a download, whose bytes are those of the whole as far as they came."""
    with closing(client.get(address)) as response:
        if response.status_code != 200:
            assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
            return "refused"
        got, end = b"", "whole"
        try:
            for piece in response.streaming_content:
                got += piece
        except StorageUnavailableError:
            end = "broke off"
    assert got == whole[: len(got)]
    assert (got == whole) == (end == "whole")
    return end
