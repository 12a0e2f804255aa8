"""Verifications: damage is named on its backup, others stay good, and what is whole again is good again."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent
from backups.models import Backup, Depth, Finding
from backups.reconcile.run import reconcile
from backups.services.proof import DAMAGED_KEPT
from backups.services.upkeep import SHARES, repository_verify, upkeep_due
from backups.services.verification import backup_verify
from operations.models import Operation, OperationState
from repository.chunked.objects import KEYS
from schedules.protection.facts import order_protection
from tests.operations.test_keys import SECOND, keks  # noqa: F401  # a fixture
from tests.world.clients import client_of
from tests.world.snapshots import flip
from vault.errors import ArchiveDamagedError
from vault.models import Repository
from vault.services.repositories import repository_folder


def verified(world, depth=Depth.DATA):
    operation = world.run(repository_verify(repository=world.row, user=None, depth=depth))
    assert operation.state == OperationState.SUCCEEDED, operation.error_code
    return operation.result["done"]


@pytest.fixture
def two(snapshots):
    """A backup, and a newer one with a file of its own."""
    first = snapshots.snapshot()
    snapshots.write(d=400_000)
    return first, snapshots.snapshot()


def state(backup):
    backup.refresh_from_db()
    named = backup.damaged and [found["path"] for found in backup.damaged["paths"]]
    return backup.degraded, named


def test_whole_backups_are_proven(snapshots, two):
    numbers = verified(snapshots, Depth.STRUCTURE)
    assert (numbers["snapshots"], numbers["degraded"], numbers["packs_read"]) == (2, 0, 0)
    for backup in two:
        assert state(backup) == (False, None)
        assert backup.verified_at is not None
        assert (backup.proof["depth"], backup.proof["ok"], backup.proof["counted"]["files"] >= 3) == (
            "structure", True, True,
        )  # fmt: skip


def test_damage_names_the_files_and_spares_the_other_backup(snapshots, two):
    first, second = two
    whole = flip(path := snapshots.pack_of(second, b"d"), at=60)
    assert verified(snapshots)["degraded"] == 1
    assert (state(first), state(second)) == ((False, None), (True, ["d"]))
    assert second.damaged["files"] == 1
    finding = Finding.objects.get(gone_at=None)
    assert (finding.code, finding.object_id, finding.params) == ("snapshot_damaged", second.id, {"files": 1})
    assert AuditEvent.objects.filter(action="backup.degrade", object_id=second.id).count() == 1
    # A verification of the structure does not forget what was read, and the reconciler does not take it back.
    verified(snapshots, Depth.STRUCTURE)
    reconcile(repair=True)
    assert (state(second), Finding.objects.filter(gone_at=None).count()) == ((True, ["d"]), 1)
    path.write_bytes(whole)
    verified(snapshots, Depth.STRUCTURE)
    assert (state(second), Finding.objects.filter(gone_at=None).exists()) == ((False, None), False)


def test_the_finding_of_a_deleted_backup_is_closed(snapshots, two):
    flip(snapshots.pack_of(two[1], b"d"), at=60)
    verified(snapshots)
    reconcile(repair=True)
    finding = Finding.objects.get(gone_at=None)
    assert (finding.code, finding.params, state(two[1])[0]) == ("snapshot_damaged", {"files": 1}, True)
    snapshots.delete(two[1])
    reconcile(repair=True)
    assert not Finding.objects.filter(gone_at=None).exists()


def test_a_new_backup_of_the_same_content_heals_the_older_ones(snapshots, two):
    flip(snapshots.pack_of(two[1], b"d"), at=60)
    verified(snapshots)
    assert state(two[1]) == (True, ["d"])
    snapshots.snapshot()
    verified(snapshots, Depth.STRUCTURE)
    assert state(two[1]) == (False, None)


def test_an_order_whose_newest_backup_is_damaged_counts_the_one_before(snapshots, two):
    first, second = two
    flip(snapshots.pack_of(second, b"d"), at=60)
    order = snapshots.order
    assert order_protection(order).good_at == second.completed_at
    verified(snapshots)
    assert order_protection(order).good_at == first.completed_at


def test_the_restore_of_a_damaged_backup_is_refused_with_its_files(snapshots, two):
    flip(snapshots.pack_of(two[1], b"d"), at=60)
    verified(snapshots)
    with pytest.raises(ArchiveDamagedError) as caught:
        snapshots.restore_ask(two[1])
    assert caught.value.params == {"files": 1, "paths": "d"}
    assert "1 file of this backup is damaged" in caught.value.detail
    assert not Operation.objects.filter(kind="restore").exists()
    with pytest.raises(ArchiveDamagedError):
        snapshots.restore_ask(two[1], paths=(b"a", b"d"))
    snapshots.restore_ask(two[1], paths=(b"a", b"b"))
    assert Operation.objects.get(kind="restore").params["paths"] == ["a", "b"]


def test_a_root_that_is_gone_or_changed_leaves_nothing_to_restore(snapshots, two):
    first, second = two
    flip(snapshots.root_of(first))
    snapshots.root_of(second).unlink()
    assert verified(snapshots)["degraded"] == 2
    for backup in two:
        assert state(backup)[0]
        assert backup.damaged["files"] is None
        with pytest.raises(ArchiveDamagedError) as caught:
            snapshots.restore_ask(backup)
        assert caught.value.params == {}


def test_a_repository_whose_key_object_is_damaged_degrades_every_backup(snapshots, two):
    folder = snapshots.root / repository_folder(snapshots.row)
    [key] = [path for path in (folder / KEYS.name).rglob("*") if path.is_file()]
    whole = flip(key)
    operation = snapshots.run(repository_verify(repository=snapshots.row, user=None, depth=Depth.STRUCTURE))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "archive_damaged")
    assert [state(backup)[0] for backup in two] == [True, True]
    key.write_bytes(whole)
    verified(snapshots)
    assert [state(backup)[0] for backup in two] == [False, False]


def test_a_key_that_is_not_there_is_no_damage(snapshots, two, keks):  # noqa: F811  # a fixture
    keks.use(SECOND)
    operation = snapshots.run(repository_verify(repository=snapshots.row, user=None, depth=Depth.DATA))
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "key_unavailable")
    assert [state(backup)[0] for backup in two] == [False, False]


def test_only_the_first_hundred_damaged_files_are_kept(snapshots):
    snapshots.write(**{f"small{number}": b"%d" % number for number in range(DAMAGED_KEPT + 50)})
    backup = snapshots.snapshot()
    flip(snapshots.pack_of(backup, b"small1"), at=60)
    for path in snapshots.packs().values():
        flip(path, at=60)
        flip(path, at=200)
    verified(snapshots)
    backup.refresh_from_db()
    assert backup.degraded
    assert len(backup.damaged["paths"]) == min(backup.damaged["files"], DAMAGED_KEPT)


def test_all_data_is_read_within_the_shares(snapshots, two):
    packs = len(snapshots.packs())
    read = 0
    for number in range(SHARES):
        read += verified(snapshots, Depth.SHARE)["packs_read"]
        assert Repository.objects.get().shares_read == number + 1
    assert read == packs


def test_a_share_that_was_not_read_to_its_end_is_read_again(snapshots, two, monkeypatch):
    operation = repository_verify(repository=snapshots.row, user=None, depth=Depth.SHARE)
    Operation.objects.filter(id=operation.id).update(cancel_requested_at=operation.created_at)
    assert snapshots.run(operation).state == OperationState.CANCELLED
    assert Repository.objects.get().shares_read == 0


def test_new_backups_are_sampled_once_and_soon(snapshots, two):
    assert upkeep_due() == 1
    assert upkeep_due() == 0
    operation = Operation.objects.get(kind="verify")
    assert snapshots.run(operation).result["done"]["snapshots"] == 2
    assert [state(backup) for backup in two] == [(False, None), (False, None)]
    assert {backup.proof["depth"] for backup in two} == {"sample"}
    assert upkeep_due() == 0


def asked(world, backup, depth):
    return backup_verify(
        user=world.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id, depth=depth,
        idempotency=None,
    )  # fmt: skip


@pytest.mark.parametrize(("depth", "found"), [(Depth.STRUCTURE, False), (Depth.DATA, True)])
def test_one_backup_is_verified_over_the_api(depth, found, snapshots, two):
    flip(snapshots.pack_of(two[1], b"d"), at=60)
    client = client_of(snapshots.owner)
    backup = two[1]
    path = f"/api/v1/orders/{backup.order_id}/provisions/{backup.provision_id}/backups/{backup.id}/"
    response = client.post(f"{path}verify/", {"depth": depth.value}, format="json")
    assert response.status_code == 202
    assert (
        client.post(f"{path}verify/", {"depth": depth.value}, format="json").json()["code"] == "operation_in_progress"
    )
    assert client.get(response["Location"]).json()["state"] == "queued"
    assert snapshots.run(Operation.objects.get(id=response.json()["id"])).state == OperationState.SUCCEEDED
    shown = client.get(path).json()
    assert (shown["degraded"], shown["proof"]["ok"], shown["proof"]["depth"]) == (found, not found, depth.value)
    assert (shown["damaged"] and shown["damaged"]["paths"][0]["path"]) == ("d" if found else None)
    assert (shown["verified_at"] is None) == found
    assert state(two[0]) == (False, None)


@pytest.mark.parametrize("body", [{"depth": "share"}, {"depth": "sample"}, {"depth": 1}, {"deep": True}])
def test_other_depths_are_refused(body, snapshots, two):
    backup = two[0]
    path = f"/api/v1/orders/{backup.order_id}/provisions/{backup.provision_id}/backups/{backup.id}/verify/"
    assert client_of(snapshots.owner).post(path, body, format="json").json()["code"] == "validation_error"


@pytest.mark.parametrize("depth", [Depth.STRUCTURE, Depth.DATA])
def test_an_archive_is_verified_too(depth, snapshots):
    backup = snapshots.stored()
    assert snapshots.run(asked(snapshots, backup, depth)).state == OperationState.SUCCEEDED
    assert state(backup) == (False, None)
    path = snapshots.root / backup.asset.key
    whole = flip(path, at=3)
    snapshots.run(asked(snapshots, backup, depth))
    # Of a plain archive only a reading of all bytes finds a changed one.
    assert state(backup)[0] is (depth is Depth.DATA)
    path.write_bytes(whole)
    snapshots.run(asked(snapshots, backup, Depth.STRUCTURE))
    assert state(backup)[0] is (depth is Depth.DATA)
    snapshots.run(asked(snapshots, backup, Depth.DATA))
    assert state(backup) == (False, None)
    assert Backup.objects.get(id=backup.id).proof["ok"]
