"""Archives by schedule: every byte is read again after four weeks, and damage is found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from backups.services import archive_checks
from backups.services.archive_checks import CHECKED_AT_ONCE, archives_check_due
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from orders.models import BackupFormat
from tests.factories import BackupFactory, OperationFactory

DAY = timedelta(days=1)
archives = pytest.mark.parametrize("stocked", [BackupFormat.ARCHIVE], indirect=True, ids=str)


@pytest.fixture
def after(monkeypatch):
    """Let the chore run so many days from now."""
    start = timezone.now()

    def run(days: float) -> int:
        monkeypatch.setattr(archive_checks, "database_now", lambda: start + days * DAY)
        return archives_check_due()

    return run


def answered() -> Operation:
    operation = Operation.objects.filter(kind="verify", state=OperationState.QUEUED).get()
    operation_answer(operation.id)
    operation.refresh_from_db()
    return operation


def test_all_of_an_archive_is_read_again_after_four_weeks(stocked, after):
    backup = stocked.keep()
    assert after(27) == 0
    assert after(28.01) == (1 if stocked.format == BackupFormat.ARCHIVE else 0)
    if stocked.format == BackupFormat.REPOSITORY:
        return  # the shares of its upkeep read it
    operation = answered()
    backup.refresh_from_db()
    assert (operation.params, operation.requested_by) == ({"depth": "data"}, None)
    assert (backup.proof["depth"], backup.proof["ok"]) == ("data", True)
    assert operation.result["done"]["read_bytes"] == backup.size_bytes
    Backup.objects.update(read_at=timezone.now() + 28 * DAY)
    Operation.objects.update(created_at=timezone.now())
    assert after(55) == 0
    assert after(56.01) == 1


@archives
def test_damage_is_found_without_anybody_asking(stocked, after):
    backup = stocked.keep()
    stored = max((path for path in stocked.root.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    whole = bytearray(stored.read_bytes())
    whole[len(whole) // 2] ^= 1
    stored.write_bytes(whole)
    assert after(29) == 1
    answered()
    backup.refresh_from_db()
    assert (backup.degraded, backup.proof["ok"]) == (True, False)
    Operation.objects.update(created_at=timezone.now() - 5 * DAY)
    assert after(2) == 0, "it was read, and is not read again for that"


@archives
def test_one_that_failed_is_tried_again_the_next_day(stocked, after):
    stocked.keep()
    Backup.objects.update(completed_at=timezone.now() - 40 * DAY)
    assert after(0) == 1
    Operation.objects.update(state=OperationState.FAILED, error_code="storage_unavailable", finished_at=timezone.now())
    assert after(0.9) == 0
    assert after(1.1) == 1


def test_few_are_read_at_a_time_and_no_order_that_works(db, after):
    made = [BackupFactory() for _ in range(CHECKED_AT_ONCE + 3)]
    Backup.objects.update(completed_at=timezone.now() - 40 * DAY)
    busy = made[0].order
    OperationFactory(order=busy, kind="create", state=OperationState.RUNNING)
    assert after(0) == CHECKED_AT_ONCE
    assert after(0) == 0
    Operation.objects.filter(kind="verify").update(state=OperationState.SUCCEEDED, finished_at=timezone.now())
    assert after(0) == 2
    assert not Operation.objects.filter(kind="verify", order=busy).exists()


@pytest.mark.parametrize("fields", [{"deleted_at": timezone.now()}, {"status": "failed"}, {"format": "repository"}])
def test_backups_that_are_not_read(rental, after, fields):
    rental.stored()
    Backup.objects.update(completed_at=timezone.now() - 40 * DAY, **fields)
    assert after(0) == 0
