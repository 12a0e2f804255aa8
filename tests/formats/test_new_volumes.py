"""A restore into a new volume, in each format: from the API through a real worker, sidecar and storage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus
from backups.rules import Rules
from backups.services.exchanges import exchanges_settle
from backups.work import restore
from demo.comparison import differences, live_read, tree_read
from operations.kinds import ATTEMPTS
from operations.models import ExchangeState, Operation, OperationState
from operations.services.operations import operation_cancel, operation_requeue
from operations.supervision.expired_leases import operation_lost
from provisions.models import Provision, ProvisionKind
from provisions.services.provisions import provision_delete
from tests.formats.test_both import world_change, world_make
from tests.processes.waiting import wait_until
from tests.sidecar_daemon.daemon import Daemon
from tests.world.clients import client_of
from tests.world.linked import Linked
from tests.world.reconciled import World

MADE = Provision.objects.filter(kind=ProvisionKind.VOLUME)


def names(rented: Linked) -> list[str]:
    return sorted(path.name for path in rented.volumes.iterdir())


def asked(rented: Linked, backup: Backup, **options: Any) -> Operation:
    """Ask for a restore into a new volume."""
    rented.restore_ask(backup, new_volume=True, **options)
    operation = Operation.objects.get(volume_id__isnull=False, state=OperationState.QUEUED)
    assert operation.volume_id is not None
    return operation


@pytest.fixture
def backup(rented: Linked) -> Backup:
    """A backup of a server that has changed since."""
    world_make(rented.daemon.world)
    made = rented.backup()
    world_change(rented.daemon.world)
    return made


def test_volume_is_asked_for_by_the_api_and_has_the_id_of_the_answer(rented: Linked) -> None:
    world = rented.daemon.world
    world_make(world)
    before = live_read(world)
    backup = rented.backup()
    world_change(world)
    changed = live_read(world)
    client = client_of(rented.owner)
    provisions = f"/api/v1/orders/{rented.order.id}/provisions/"

    answer = client.post(
        f"{provisions}{rented.server.id}/backups/{backup.id}/restore/", {"destination": "new"}, format="json"
    )
    assert (answer.status_code, answer.json()["status"]) == (202, "restoring")
    volume = answer.json()["operation"]["volume"]
    listed = client.get(provisions).json()["results"]
    assert volume not in [found["id"] for found in listed]
    assert client.get(f"{provisions}{volume}/").status_code == 404

    operation = rented.work()
    assert operation.state == OperationState.SUCCEEDED, operation.error_code
    found = client.get(f"{provisions}{volume}/").json()
    assert (found["kind"], found["name"], found["is_primary"]) == ("volume", f"Restored from {backup.name}", False)
    assert client.get(f"/api/v1/operations/{operation.id}/").json()["volume"] == volume
    assert names(rented) == [volume]
    assert differences(before, tree_read(rented.volumes / volume)) == []
    assert live_read(world) == changed

    backup.refresh_from_db()
    assert backup.status == BackupStatus.READY
    assert not Backup.objects.filter(is_safety=True).exists()
    assert Rules(user=rented.owner, order=rented.order).undoable(rented.server) is None
    assert rented.daemon.left_in_scratch() == []
    answer = client.post(f"{provisions}{volume}/backups/", {}, format="json")
    assert answer.json()["code"] == "not_a_primary_deployment"


def test_chosen_paths_come_into_a_volume_and_each_restore_makes_another(rented: Linked, backup: Backup) -> None:
    first = asked(rented, backup, paths=(b"region",))
    assert rented.work().state == OperationState.SUCCEEDED
    second = asked(rented, backup, paths=(b"region",))
    assert rented.work().state == OperationState.SUCCEEDED
    assert names(rented) == sorted([str(first.volume_id), str(second.volume_id)])
    for operation in (first, second):
        made = tree_read(rented.volumes / str(operation.volume_id))
        assert set(made) - {b""} == {b"region", b"region/r.0.0.mca"}


def test_path_that_the_backup_lacks_makes_no_volume(rented: Linked, backup: Backup) -> None:
    asked(rented, backup, paths=(b"nothing",))
    assert rented.work().error_code == "path_not_found"
    assert names(rented) == []
    assert not MADE.exists()


def test_undo_of_an_earlier_restore_stays_possible(rented: Linked, backup: Backup) -> None:
    changed = live_read(rented.daemon.world)
    rented.restore(backup)
    asked(rented, backup)
    assert rented.work().state == OperationState.SUCCEEDED
    rented.undo(backup)
    assert differences(changed, live_read(rented.daemon.world)) == []


class Died(BaseException):
    """The death of a worker."""


STEPS = ["_prepare", "exchange_note", "_extract", "_scratch_clear", "exchange_release", "volume_add", "_commit"]


@pytest.mark.parametrize("step", STEPS)
def test_worker_that_dies_after_any_step_leaves_nothing_half(
    rented: Linked, backup: Backup, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    operation = asked(rented, backup)
    changed = live_read(rented.daemon.world)
    died = []
    original: Callable[..., object] = getattr(restore, step)

    def die(*args: Any, **options: Any) -> None:
        original(*args, **options)
        died.append(step)
        raise Died

    with monkeypatch.context() as broken:
        broken.setattr(restore, step, die)
        with pytest.raises(Died):
            rented.work()
    assert died == [step]
    over = step == "_commit"
    assert names(rented) in ([], [str(operation.volume_id)])
    assert MADE.exists() == over
    if not over:
        operation.refresh_from_db()
        assert operation_requeue(operation=operation, counts=True)
        assert rented.work().state == OperationState.SUCCEEDED
    assert names(rented) == [str(operation.volume_id)]
    assert [found.id for found in MADE.all()] == [operation.volume_id]
    assert not (rented.volumes / str(operation.volume_id) / ".savepoint").exists()
    assert live_read(rented.daemon.world) == changed


def test_sidecar_that_dies_during_the_work_leaves_nothing_half(
    rented: Linked, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = asked(rented, backup)
    original = restore._extract

    def killing(**options: Any) -> Any:
        rented.daemon.listen = rented.daemon.address
        rented.daemon.kill()
        return original(**options)

    with monkeypatch.context() as broken:
        broken.setattr(restore, "_extract", killing)
        assert rented.work().state == OperationState.QUEUED
    assert not MADE.exists()
    rented.daemon.start()
    assert names(rented) == []
    assert rented.work().state == OperationState.SUCCEEDED
    assert names(rented) == [str(operation.volume_id)]


def test_cancel_during_the_work_leaves_no_volume(
    rented: Linked, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = asked(rented, backup)
    original = restore._prepare

    def cancelling(**options: Any) -> Any:
        operation_cancel(user=rented.owner, operation=Operation.objects.get(id=operation.id))
        wait_until(options["lease"].interrupted, seconds=10, what="the cancel to be noticed")
        return original(**options)

    monkeypatch.setattr(restore, "_prepare", cancelling)
    assert rented.work().error_code == "cancelled"
    assert names(rented) == []
    assert not MADE.exists()
    backup.refresh_from_db()
    assert backup.status == BackupStatus.READY


@pytest.mark.parametrize(
    ("step", "exchange"), [("_extract", ExchangeState.BEGUN), ("exchange_release", ExchangeState.DISCARDED)]
)
def test_volume_of_a_restore_that_was_given_up_is_removed(
    rented: Linked, backup: Backup, monkeypatch: pytest.MonkeyPatch, step: str, exchange: str
) -> None:
    """Its worker dies again and again for a day, before or after it recorded that the volume is complete."""
    operation = asked(rented, backup)
    original: Callable[..., object] = getattr(restore, step)

    def die(*args: Any, **options: Any) -> None:
        original(*args, **options)
        raise Died

    with monkeypatch.context() as broken:
        broken.setattr(restore, step, die)
        with pytest.raises(Died):
            rented.work()
    assert names(rented) == [str(operation.volume_id)]
    day = timezone.now() - timedelta(days=1, minutes=1)
    Operation.objects.filter(id=operation.id).update(created_at=day, attempts=ATTEMPTS)
    operation.refresh_from_db()
    assert operation_lost(operation)
    operation.refresh_from_db()
    assert (operation.error_code, operation.exchange) == ("worker_lost", exchange)
    rented.daemon.listen = rented.daemon.address
    rented.daemon.stop()
    assert exchanges_settle() == 0
    assert not MADE.exists()
    rented.daemon.start()
    assert exchanges_settle() == 1
    assert names(rented) == []
    assert exchanges_settle() == 0
    operation.refresh_from_db()
    assert operation.exchange == ExchangeState.NONE


def test_deleted_volume_loses_its_files_once_the_sidecar_can_be_asked(rented: Linked, backup: Backup) -> None:
    kept, gone = (asked_and_made(rented, backup) for _ in range(2))
    provision_delete(provision=Provision.objects.get(id=gone), actor=None)
    Operation.objects.filter(volume_id=gone).update(finished_at=timezone.now() - timedelta(days=400))
    rented.delete(backup)
    assert names(rented) == sorted([str(kept), str(gone)])
    assert exchanges_settle() == 1
    assert names(rented) == [str(kept)]
    assert [found.id for found in MADE.all()] == [kept]


def asked_and_made(rented: Linked, backup: Backup) -> UUID:
    volume = asked(rented, backup).volume_id
    assert rented.work().state == OperationState.SUCCEEDED
    assert volume is not None
    return volume


def test_sidecar_that_offers_no_volumes_any_more_ends_the_restore(reconciled: World, shared_sidecar: Daemon) -> None:
    """It had offered them when the restore was asked for."""
    backup = reconciled.backup()
    Provision.objects.filter(id=reconciled.sidecar.id).update(can_make_volumes=True)
    reconciled.restore_ask(backup, new_volume=True)
    assert reconciled.work().error_code == "volumes_not_offered"
    assert not MADE.exists()
    assert shared_sidecar.left_in_scratch() == []
    reconciled.sidecar.refresh_from_db()
    assert not reconciled.sidecar.can_make_volumes
