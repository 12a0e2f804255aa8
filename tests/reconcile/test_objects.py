"""I6: objects without an owner are found; only certainly useless ones are deleted, after their grace."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from backups.models import Backup, Finding
from backups.reconcile import storages
from repository.storage import StorageUnavailable
from tests.reconcile.conftest import older
from tests.storage.memory import FaultyStorage
from vault.models import Asset, StorageTarget, StoredObject
from vault.services.sweep import storage_sweep


@pytest.fixture
def backup(reconciled):
    return reconciled.backup()


def archive(order=None, backup=None):
    return f"backups/{order or uuid4()}/{backup or uuid4()}.tar.gz"


def test_an_unfinished_archive_is_watched_for_its_grace_then_deleted(reconciled, backup, grace_over):
    left = reconciled.drop(archive())
    assert reconciled.found("I6", repair=True) == []
    assert Finding.objects.get().confirmed_at is None
    assert not StoredObject.objects.filter(condemned_at__isnull=False).exists()

    grace_over()
    assert reconciled.found("I6") == ["object_unowned"]
    assert reconciled.look("I6", repair=True).tallies["I6"].repaired == 1
    assert Finding.objects.get().gone_at is not None
    storage_sweep()
    assert not left.exists()
    assert reconciled.path(backup).exists()


def test_object_seen_once_a_day_has_not_been_seen_for_a_day(reconciled, grace_over):
    reconciled.drop(key := archive())
    reconciled.look("I6")
    (reconciled.root / key).unlink()
    grace_over()
    reconciled.look("I6")
    reconciled.drop(key)
    assert reconciled.found("I6", repair=True) == []
    assert Finding.objects.filter(gone_at=None).count() == 1


@pytest.mark.parametrize("suffix", [".manifest", ".listing"])
def test_companion_object_without_its_archive_is_found(suffix, reconciled, grace_over):
    key = archive()
    reconciled.drop(key + suffix)
    reconciled.look("I6")
    grace_over()
    reconciled.look("I6")
    (finding,) = Finding.objects.all()
    assert (finding.key, finding.code) == (key, "archive_unowned" if suffix == ".manifest" else "object_unowned")


def test_a_whole_archive_that_the_database_does_not_know_is_never_deleted(reconciled, backup, grace_over):
    """After a database was restored from an older copy, these objects may be all that a customer has."""
    path = reconciled.path(backup)
    Backup.objects.update(asset=None, status="failed")
    Asset.objects.all().delete()
    StoredObject.objects.all().delete()
    reconciled.look("I6", repair=True)
    grace_over()
    assert reconciled.found("I6", repair=True) == ["archive_unowned"]
    assert not StoredObject.objects.exists()
    storage_sweep()
    assert path.exists()


def test_foreign_object_is_reported_and_left(reconciled, grace_over):
    theirs = reconciled.drop("backups/readme.txt")
    reconciled.look("I6")
    grace_over()
    assert reconciled.found("I6", repair=True) == ["object_foreign"]
    storage_sweep()
    assert theirs.exists()


def test_an_attempt_at_a_backup_that_is_being_made_is_left(reconciled, grace_over):
    creating = reconciled.create()
    reconciled.drop(archive(creating.order_id, creating.id))
    reconciled.look("I6")
    grace_over()
    assert reconciled.look("I6", repair=True).tallies["I6"].repaired == 0
    assert not StoredObject.objects.exists()


@pytest.mark.parametrize("at", [1, 2, 5])
def test_where_a_list_fails_nothing_is_deleted_and_nothing_is_gone(at, reconciled, backup, grace_over, monkeypatch):
    for _ in range(3):
        reconciled.drop(archive())
    reconciled.look("I6")
    grace_over()
    reconciled.look("I6")
    assert len(reconciled.codes()) == 3
    real = storages.target_open

    def opened(target):
        # It is opened more than once; the report must say that one attempt failed.
        return FaultyStorage(real(target), at=at, fault="forever", must_strike=False)

    monkeypatch.setattr(storages, "target_open", opened)
    report = reconciled.look("I6", repair=True)
    assert [blind.where for blind in report.blind] == [reconciled.target.id]
    assert len(reconciled.codes()) == 3
    assert not StoredObject.objects.filter(condemned_at__isnull=False).exists()


def test_half_a_list_repairs_nothing_although_each_repair_could_look(reconciled, backup, grace_over, monkeypatch):
    class Ends(FaultyStorage):
        def list(self, prefix):
            yield from self._inner.list(prefix)
            raise StorageUnavailable("the last page")

    reconciled.drop(archive())
    reconciled.look("I6")
    grace_over()
    real = storages.target_open
    monkeypatch.setattr(storages, "target_open", lambda target: Ends(real(target), at=0))
    monkeypatch.setattr("backups.reconcile.objects.BATCH", 1)
    report = reconciled.look("I6", repair=True)
    assert report.blind
    assert not StoredObject.objects.filter(condemned_at__isnull=False).exists()


def test_an_empty_list_is_no_word_about_archives_that_should_be_there(reconciled, backup):
    reconciled.root.rename(reconciled.root.with_name("unmounted"))
    reconciled.root.mkdir()
    report = reconciled.look("I6", repair=True)
    assert [blind.why for blind in report.blind] == ["StorageError: the list is empty, and archives should be there"]


def test_a_target_that_cannot_be_opened_hides_no_other(reconciled, grace_over):
    StorageTarget.objects.create(name="Broken", kind="local", options={})
    reconciled.drop(archive())
    reconciled.look("I6")
    grace_over()
    report = reconciled.look("I6", repair=True)
    assert len(report.blind) == 1
    assert report.tallies["I6"].repaired == 1


def test_archive_kept_for_a_deleted_backup_is_deleted(reconciled, settled):
    row = StoredObject.objects.create(target=reconciled.target, key=archive(), backup_id=uuid4())
    assert reconciled.found("I6") == ["owner_gone"]
    assert reconciled.found("I6", repair=True) == []
    row.refresh_from_db()
    assert row.condemned_at is not None


def test_a_download_without_a_backup_goes_and_its_archive_follows(reconciled, backup, settled):
    path = reconciled.path(backup)
    Backup.objects.update(asset=None, status="failed")
    Backup.objects.all().delete()
    assert reconciled.found("I6") == ["asset_alone"]
    assert reconciled.found("I6", repair=True) == []
    assert StoredObject.objects.get().condemned_at is not None
    storage_sweep()
    assert not path.exists()


def test_an_archive_that_a_delete_would_forget_gets_its_row(reconciled, backup):
    StoredObject.objects.all().delete()
    assert reconciled.found("I6") == ["owner_missing"]
    assert reconciled.found("I6", repair=True) == []
    path = reconciled.path(backup)
    reconciled.delete(backup)
    assert not path.exists()


def test_rows_that_were_just_written_are_left_alone(reconciled):
    StoredObject.objects.create(target=reconciled.target, key=archive(), backup_id=uuid4())
    assert reconciled.found("I6") == []
    older(StoredObject.objects.all(), created_at=timedelta(minutes=6))
    assert reconciled.found("I6") == ["owner_gone"]
