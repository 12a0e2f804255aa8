"""R17 and R31: prunes and deletes beside running backups, restores and downloads."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import connections

from backups.models import Backup, BackupStatus, Depth
from backups.services.backups import backup_delete
from backups.services.upkeep import repository_prune, repository_verify
from backups.services.verification import backup_verify
from demo.comparison import differences, live_read
from operations.errors import StatusConflict
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from orders.models import BackupFormat, Plan
from targets import local
from targets.local import LocalStorage
from tests.repository.maintenance.storages import ScheduledStorage
from tests.repository.maintenance.test_prune_races import requests
from tests.storage.memory import FaultyStorage
from tests.world.clients import client_of
from tests.world.linked import Linked, Working
from tests.world.snapshots import later
from vault.models import Repository

pytestmark = pytest.mark.processes

GRACE = timedelta(hours=25)
STEP = 4
"""A prune runs before every fourth request of a backup; the package's own tests go through all of them."""
WAIT_SECONDS = 30


def pruned() -> Operation:
    """A prune by the upkeep's operation, and a worker of its own."""
    operation = repository_prune(repository=Repository.objects.select_related("target").get(), user=None)
    try:
        with patch.object(local, "LocalStorage", LocalStorage):
            operation_answer(operation.id)
    finally:
        operation.refresh_from_db()
    return operation


class Pruned:
    """A server whose next backup wants chunks of a deleted one, which a prune has condemned, or will."""

    def __init__(self, linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
        self._linked = linked
        self._monkeypatch = monkeypatch
        self._moved = timedelta()

    def pass_by(self) -> None:
        self._moved += GRACE
        later(self._monkeypatch, self._moved)

    def set_up(self, *, condemned: bool) -> None:
        level = self._linked.daemon.world / "level.dat"
        wanted = level.read_bytes()
        gone = self._linked.backup()
        level.write_bytes(b"other")
        kept = self._linked.backup()
        self._linked.delete(gone)
        for backup in Backup.objects.exclude(id=kept.id):
            self._linked.delete(backup)
        if condemned:
            assert pruned().result["plan"]["condemned"] > 0
            self.pass_by()
        level.write_bytes(wanted)

    def settle(self) -> None:
        for _ in range(2):
            self.pass_by()
            assert pruned().state == OperationState.SUCCEEDED


@pytest.fixture
def prunable(linked: Linked, monkeypatch: pytest.MonkeyPatch, short_pauses: None) -> Pruned:
    Plan.objects.update(backup_format=BackupFormat.REPOSITORY)
    return Pruned(linked, monkeypatch)


def created_beside(linked: Linked, storage: FaultyStorage) -> Backup:
    with patch.object(local, "LocalStorage", lambda _root: storage):
        return linked.created()


@pytest.mark.parametrize("condemned", [False, True], ids=["dead", "condemned"])
def test_a_backup_that_wants_what_a_prune_takes_is_whole(linked: Linked, prunable: Pruned, *, condemned: bool) -> None:
    prunable.set_up(condemned=condemned)
    counted = FaultyStorage(LocalStorage(linked.root), at=0)
    assert created_beside(linked, counted).status == BackupStatus.READY
    places = requests(counted)[::STEP]
    assert len(places) > 3
    told = []
    for at in places:
        prunable.set_up(condemned=condemned)
        live = live_read(linked.daemon.world)

        def prune() -> None:
            told.append(pruned().state)
            connections.close_all()

        storage = ScheduledStorage(LocalStorage(linked.root), {at: prune}, must_strike=False)
        backup = created_beside(linked, storage)
        assert backup.status == BackupStatus.READY, (at, backup.operation.error_code)
        prunable.settle()
        repository_verify(repository=Repository.objects.get(), user=None, depth=Depth.DATA)
        assert linked.work().result["done"]["degraded"] == 0, at
        (linked.daemon.world / "level.dat").write_bytes(b"lost")
        linked.restore(backup)
        assert differences(live, live_read(linked.daemon.world)) == [], at
    assert set(told) == {OperationState.SUCCEEDED}
    assert len(told) >= len(places) - 1  # a backup may have a call less than the one that was counted


# Beside restores and downloads.


@pytest.fixture
def restoring(rented: Linked) -> tuple[Backup, Working]:
    """A restore whose sidecar does not answer, until the test lets it."""
    backup, other = rented.backup(), rented.backup()
    (rented.daemon.world / "level.dat").write_bytes(b"lost")
    rented.delete(other)
    rented.restore_ask(backup, safety=False)
    rented.proxy.stall_after(2000, "up")
    working = Working()
    assert rented.proxy.struck.wait(WAIT_SECONDS)
    return backup, working


def test_what_is_being_restored_is_neither_deleted_nor_pruned(
    rented: Linked, restoring: tuple[Backup, Working], monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, working = restoring
    backup.refresh_from_db()
    with pytest.raises(StatusConflict):
        backup_delete(user=rented.owner, backup=backup)
    answer = client_of(rented.owner).delete(rented.backup_url(backup))
    assert (answer.status_code, answer.json()["code"]) == (409, "status_conflict")
    if backup.format == BackupFormat.REPOSITORY:
        for hours in (0, 25, 50):
            later(monkeypatch, timedelta(hours=hours))
            assert pruned().state == OperationState.SUCCEEDED
    rented.proxy.heal()
    working.join(WAIT_SECONDS)
    assert not working.is_alive()
    ended = Operation.objects.get(id=working.operation.id)
    if ended.state != OperationState.SUCCEEDED:
        # The call that stalled may have cost the attempt, but never the backup.
        rented.restore(backup)
    assert len(rented.level()) == 3 << 20


def test_a_prune_beside_a_download_takes_nothing_of_it(
    rented: Linked, short_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rented.order.plan.backup_format == BackupFormat.ARCHIVE:
        pytest.skip("no prune touches an archive")
    kept, gone = rented.backup(), rented.backup()
    rented.delete(gone)
    client, address = client_of(rented.owner), f"/api/v1/assets/{kept.asset_id}/"
    with closing(client.get(address)) as whole:
        expected = b"".join(whole.streaming_content)
    with closing(client.get(address)) as download:
        pieces = iter(download.streaming_content)
        got = next(pieces)
        for hours in (0, 25, 50):
            later(monkeypatch, timedelta(hours=hours))
            assert pruned().state == OperationState.SUCCEEDED
        got += b"".join(pieces)
    assert got == expected


def test_a_deleted_backup_is_downloaded_no_further(rented: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = rented.backup()
    client, address = client_of(rented.owner), f"/api/v1/assets/{backup.asset_id}/"
    with closing(client.get(address)) as whole:
        expected = b"".join(whole.streaming_content)
    with closing(client.get(address)) as download:
        pieces = iter(download.streaming_content)
        got = next(pieces)
        rented.delete(backup)
        monkeypatch.setattr("backups.services.downloads.SHARED_SECONDS", 0)
        assert not download.download.still_allowed()
        try:
            got += b"".join(pieces)
        except Exception as error:  # noqa: BLE001  # a stream that breaks off can only raise
            code = getattr(error, "code", repr(error))
        else:
            code = ""
    assert code in ("", "archive_damaged", "asset_not_found")
    assert got == expected[: len(got)]
    assert client.get(address).status_code == 404
    assert not Backup.objects.filter(id=backup.id).exists()


def test_a_verification_of_a_deleted_backup_harms_nothing(rented: Linked) -> None:
    kept, gone = rented.backup(), rented.backup()
    verification = backup_verify(
        user=rented.owner, order_id=gone.order_id, provision_id=gone.provision_id, backup_id=gone.id, depth=Depth.DATA,
        idempotency=None,
    )  # fmt: skip
    rented.delete(gone)
    operation_answer(verification.id)
    verification = Operation.objects.filter(id=verification.id).first()
    assert verification is None or not verification.is_live
    kept.refresh_from_db()
    assert not kept.degraded
