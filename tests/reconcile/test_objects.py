"""I6: what nobody owns is found, and only what is surely of no use to anybody is deleted, after its grace."""

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
def backup(world):
    return world.backup()


def archive(order=None, backup=None):
    return f"backups/{order or uuid4()}/{backup or uuid4()}.tar.gz"


def test_an_unfinished_archive_is_watched_for_its_grace_then_deleted(world, backup, grace_over):
    left = world.drop(archive())
    assert world.found("I6", repair=True) == []
    assert Finding.objects.get().confirmed_at is None
    assert not StoredObject.objects.filter(condemned_at__isnull=False).exists()

    grace_over()
    assert world.found("I6") == ["object_unowned"]
    assert world.look("I6", repair=True).tallies["I6"].repaired == 1
    assert Finding.objects.get().gone_at is not None
    storage_sweep()
    assert not left.exists()
    assert world.path(backup).exists()


def test_one_that_is_seen_once_in_a_day_was_not_seen_for_a_day(world, grace_over):
    world.drop(key := archive())
    world.look("I6")
    (world.root / key).unlink()
    grace_over()
    world.look("I6")
    world.drop(key)
    assert world.found("I6", repair=True) == []
    assert Finding.objects.filter(gone_at=None).count() == 1


@pytest.mark.parametrize("suffix", [".manifest", ".listing"])
def test_what_lay_beside_an_archive_is_found_without_it(suffix, world, grace_over):
    key = archive()
    world.drop(key + suffix)
    world.look("I6")
    grace_over()
    world.look("I6")
    (finding,) = Finding.objects.all()
    assert (finding.key, finding.code) == (key, "archive_unowned" if suffix == ".manifest" else "object_unowned")


def test_a_whole_archive_that_the_database_does_not_know_is_never_deleted(world, backup, grace_over):
    """As after the database was brought back from before: these may be all that a customer has."""
    path = world.path(backup)
    Backup.objects.update(asset=None, status="failed")
    Asset.objects.all().delete()
    StoredObject.objects.all().delete()
    world.look("I6", repair=True)
    grace_over()
    assert world.found("I6", repair=True) == ["archive_unowned"]
    assert not StoredObject.objects.exists()
    storage_sweep()
    assert path.exists()


def test_what_is_not_ours_is_said_and_left(world, grace_over):
    theirs = world.drop("backups/readme.txt")
    world.look("I6")
    grace_over()
    assert world.found("I6", repair=True) == ["object_foreign"]
    storage_sweep()
    assert theirs.exists()


def test_an_attempt_at_a_backup_that_is_being_made_is_left(world, grace_over):
    creating = world.shop.create()
    world.drop(archive(creating.order_id, creating.id))
    world.look("I6")
    grace_over()
    assert world.look("I6", repair=True).tallies["I6"].repaired == 0
    assert not StoredObject.objects.exists()


@pytest.mark.parametrize("at", [1, 2, 5])
def test_where_a_list_fails_nothing_is_deleted_and_nothing_is_gone(at, world, backup, grace_over, monkeypatch):
    for _ in range(3):
        world.drop(archive())
    world.look("I6")
    grace_over()
    world.look("I6")
    assert len(world.codes()) == 3
    real = storages.target_open

    def opened(target):
        # It is opened more than once; that one of them failed is what the report says.
        return FaultyStorage(real(target), at=at, fault="forever", must_strike=False)

    monkeypatch.setattr(storages, "target_open", opened)
    report = world.look("I6", repair=True)
    assert [blind.where for blind in report.blind] == [world.shop.target.id]
    assert len(world.codes()) == 3
    assert not StoredObject.objects.filter(condemned_at__isnull=False).exists()


def test_half_a_list_repairs_nothing_although_each_repair_could_look(world, backup, grace_over, monkeypatch):
    class Ends(FaultyStorage):
        def list(self, prefix):
            yield from self._inner.list(prefix)
            raise StorageUnavailable("the last page")

    world.drop(archive())
    world.look("I6")
    grace_over()
    real = storages.target_open
    monkeypatch.setattr(storages, "target_open", lambda target: Ends(real(target), at=0))
    monkeypatch.setattr("backups.reconcile.objects.BATCH", 1)
    report = world.look("I6", repair=True)
    assert report.blind
    assert not StoredObject.objects.filter(condemned_at__isnull=False).exists()


def test_an_empty_list_is_no_word_about_archives_that_should_be_there(world, backup):
    world.root.rename(world.root.with_name("unmounted"))
    world.root.mkdir()
    report = world.look("I6", repair=True)
    assert [blind.why for blind in report.blind] == ["StorageError: the list is empty, and archives should be there"]


def test_a_target_that_cannot_be_opened_hides_no_other(world, grace_over):
    StorageTarget.objects.create(name="Broken", kind="local", options={})
    world.drop(archive())
    world.look("I6")
    grace_over()
    report = world.look("I6", repair=True)
    assert len(report.blind) == 1
    assert report.tallies["I6"].repaired == 1


def test_an_archive_kept_for_a_backup_that_is_gone_is_let_go(world, settled):
    row = StoredObject.objects.create(target=world.shop.target, key=archive(), backup_id=uuid4())
    assert world.found("I6") == ["owner_gone"]
    assert world.found("I6", repair=True) == []
    row.refresh_from_db()
    assert row.condemned_at is not None


def test_a_download_without_a_backup_goes_and_its_archive_follows(world, backup, settled):
    path = world.path(backup)
    Backup.objects.update(asset=None, status="failed")
    Backup.objects.all().delete()
    assert world.found("I6") == ["asset_alone"]
    assert world.found("I6", repair=True) == []
    assert StoredObject.objects.get().condemned_at is not None
    storage_sweep()
    assert not path.exists()


def test_an_archive_that_a_delete_would_forget_gets_its_row(world, backup):
    StoredObject.objects.all().delete()
    assert world.found("I6") == ["owner_missing"]
    assert world.found("I6", repair=True) == []
    path = world.path(backup)
    world.delete(backup)
    assert not path.exists()


def test_rows_that_were_just_written_are_left_alone(world):
    StoredObject.objects.create(target=world.shop.target, key=archive(), backup_id=uuid4())
    assert world.found("I6") == []
    older(StoredObject.objects.all(), created_at=timedelta(minutes=6))
    assert world.found("I6") == ["owner_gone"]
