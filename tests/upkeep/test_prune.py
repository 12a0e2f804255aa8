"""Prunes of repositories: planned first, once in a window, resumed after a kill, and safe beside everything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from backups import kinds
from backups.errors import OperationInProgress
from backups.models import Backup, BackupStatus
from backups.services import upkeep
from backups.services.upkeep import repository_prune, upkeep_due, window_of
from backups.work.prune import prune_run
from operations.errors import StatusConflict
from operations.models import Operation, OperationState
from operations.services.operations import operation_cancel, repository_work_start
from operations.supervision.expired_leases import operation_lost
from operations.work.lease import Lease
from operations.work.run import operation_claim
from repository.chunked.maintenance import prune as package
from repository.chunked.restoring.reading import file_open
from repository.errors import Overtaken
from tests.factories import UserFactory
from tests.world.snapshots import later
from vault.services.repositories import snapshot_of

DAY = timedelta(days=1)


def planned(world, **options):
    return world.run(repository_prune(repository=world.row, user=None, **options))


def test_a_prune_shows_its_plan_condemns_and_deletes_after_the_grace(snapshots, garbage, monkeypatch):
    before = set(snapshots.packs())
    first = planned(snapshots)
    assert (first.state, first.error_code) == (OperationState.SUCCEEDED, "")
    assert first.result["plan"]["condemned"] > 0
    assert (first.result["done"]["deleted"], set(snapshots.packs()) >= before) == (0, True)
    later(monkeypatch, DAY)
    second = planned(snapshots)
    assert second.result["done"]["deleted"] == second.result["plan"]["deleted"] > 0
    assert second.result["done"]["freed_bytes"] >= 400_000
    assert len(snapshots.packs()) < len(before) + 2
    assert file_bytes(snapshots, garbage, b"a") == (snapshots.world / "a").read_bytes()


def file_bytes(world, backup, path):
    return file_open(world.opened(), snapshot=snapshot_of(backup.asset), path=path).readall()


def test_a_dry_run_keeps_its_plan_and_changes_nothing(snapshots, garbage):
    before = {path: path.read_bytes() for path in snapshots.root.rglob("*") if path.is_file()}
    operation = planned(snapshots, dry_run=True)
    assert (operation.state, operation.result["plan"]["condemned"] > 0) == (OperationState.SUCCEEDED, True)
    assert "done" not in operation.result
    assert {path: path.read_bytes() for path in snapshots.root.rglob("*") if path.is_file()} == before


def test_one_prune_of_a_repository_is_live_at_a_time(snapshots):
    first = repository_prune(repository=snapshots.row, user=None)
    with pytest.raises(OperationInProgress) as caught:
        repository_prune(repository=snapshots.row, user=None)
    assert caught.value.params["operation"] == str(first.id)
    with pytest.raises(IntegrityError), transaction.atomic():
        repository_work_start(
            repository_id=snapshots.row.id, customer_id=snapshots.row.customer_id, kind=kinds.PRUNE, requested_by=None
        )
    repository_work_start(
        repository_id=snapshots.row.id,
        customer_id=snapshots.row.customer_id,
        kind=kinds.VERIFY,
        requested_by=None,
        depth="structure",
    )


def test_a_repository_that_was_never_written_has_nothing_to_prune(snapshots):
    operation = planned(snapshots)
    assert (operation.state, operation.result) == (OperationState.SUCCEEDED, {})


def test_a_backup_deleted_while_the_plan_is_made_does_not_refuse_it(snapshots, monkeypatch):
    snapshots.snapshot()
    second = snapshots.snapshot()
    plans = []

    def meanwhile(repository, **options):
        if not plans:
            snapshots.delete(second)
        plans.append(options["expected"])
        return package.prune_plan(repository, **options)

    monkeypatch.setattr("backups.work.prune.prune_plan", meanwhile)
    operation = repository_prune(repository=snapshots.row, user=None)
    assert snapshots.run(operation).state == OperationState.SUCCEEDED, operation.error_params
    assert [len(expected) for expected in plans] == [2, 1]


def test_a_lost_worker_is_resumed_and_its_mark_does_not_stop_the_next_one(snapshots, garbage, monkeypatch):
    """The first worker dies with its mark in storage, and no other prune would begin for two days."""
    operation = repository_prune(repository=snapshots.row, user=None)

    class Died(BaseException):
        pass

    def dies(self):
        raise Died

    claimed = operation_claim(operation.id)
    with monkeypatch.context() as patched, Lease(claimed) as lease:
        patched.setattr("repository.chunked.maintenance.prune._Prune._leftovers", dies)
        patched.setattr("repository.chunked.marks._mark_remove", lambda objects, name: None)
        with pytest.raises(Died):
            prune_run(claimed, lease)
    assert operation_lost(Operation.objects.get(id=operation.id))
    again = snapshots.run(operation)
    assert (again.state, again.attempts) == (OperationState.SUCCEEDED, 2)


def test_a_prune_whose_mark_was_taken_away_is_tried_again(snapshots, garbage, monkeypatch):
    def overtaken(*args, **options):
        raise Overtaken("the writer was considered dead")

    operation = repository_prune(repository=snapshots.row, user=None)
    with monkeypatch.context() as patched:
        patched.setattr("backups.work.prune.prune_execute", overtaken)
        assert snapshots.run(operation).state == OperationState.QUEUED
    assert snapshots.run(operation).state == OperationState.SUCCEEDED


def test_staff_cancel_a_prune_and_nobody_else(snapshots):
    operation = repository_prune(repository=snapshots.row, user=None)
    with pytest.raises(Exception, match="permission_denied"):
        operation_cancel(user=snapshots.owner, operation=operation)
    operation_cancel(user=UserFactory(is_staff=True, is_superuser=True), operation=operation)
    operation.refresh_from_db()
    assert operation.state == OperationState.CANCELLED


def test_what_a_restore_reads_is_there_until_it_has_ended(snapshots, monkeypatch):
    """A source that is being restored cannot be deleted; what a download reads stays for the grace after a delete."""
    backup = snapshots.snapshot()
    reading = snapshots.opened()
    Backup.objects.filter(id=backup.id).update(status=BackupStatus.RESTORING)
    with pytest.raises(StatusConflict):
        snapshots.delete(backup)
    Backup.objects.filter(id=backup.id).update(status=BackupStatus.READY)
    opened = file_open(reading, snapshot=snapshot_of(backup.asset), path=b"a")
    snapshots.write(e=b"kept")
    snapshots.snapshot()
    (snapshots.world / "a").rename(snapshots.world / "z")
    snapshots.delete(backup)
    for hours in (0, 1, 2):
        later(monkeypatch, timedelta(hours=hours))
        assert planned(snapshots).state == OperationState.SUCCEEDED
    assert opened.readall() == (snapshots.world / "z").read_bytes()


@pytest.mark.parametrize(
    ("hour", "now", "begins"),
    [
        (3, datetime(2026, 5, 2, 3, 0, tzinfo=UTC), datetime(2026, 5, 2, 3, tzinfo=UTC)),
        (3, datetime(2026, 5, 2, 2, 59, tzinfo=UTC), datetime(2026, 5, 1, 3, tzinfo=UTC)),
        (0, datetime(2026, 5, 2, 23, 59, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)),
    ],
)
def test_a_window_begins_at_the_hour_of_the_target(hour, now, begins):
    assert window_of(hour, now) == begins


def test_a_repository_is_pruned_then_verified_once_in_a_window(snapshots, monkeypatch):
    backup = snapshots.snapshot()
    Backup.objects.filter(id=backup.id).update(proof={"ok": True})
    window = snapshots.row.created_at + timedelta(hours=2)
    snapshots.target.upkeep_hour = window.hour
    snapshots.target.save()

    def at(moment):
        monkeypatch.setattr(upkeep, "database_now", lambda: moment)
        return upkeep_due()

    assert at(snapshots.row.created_at + timedelta(minutes=1)) == 0
    assert at(window) == 1
    [prune] = Operation.objects.filter(kind="prune")
    assert at(window + timedelta(minutes=5)) == 0
    assert snapshots.run(prune).state == OperationState.SUCCEEDED
    assert at(window + timedelta(minutes=10)) == 1
    verify = Operation.objects.get(kind="verify")
    assert verify.params["depth"] == "share"
    assert snapshots.run(verify).state == OperationState.SUCCEEDED
    assert at(window + timedelta(hours=12)) == 0
    snapshots.row.refresh_from_db()
    assert snapshots.row.shares_read == 1
    assert at(window + DAY) == 1
