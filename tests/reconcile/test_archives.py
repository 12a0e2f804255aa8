"""I1: missing, truncated or changed archives are found and marked; a repaired archive loses the mark."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace

import pytest

from backups.models import Backup, Finding
from backups.reconcile import archives, run, storages
from backups.services.backups import backup_delete
from repository.storage import StorageDenied, StorageUnavailable
from tests.faults import fault_script
from tests.operations.test_keys import SECOND, keks  # noqa: F401  # a fixture
from tests.storage.memory import FaultyStorage
from vault.models import Asset


@pytest.fixture
def backup(reconciled):
    return reconciled.backup()


def degraded(backup):
    return Backup.objects.get(id=backup.id).degraded


def test_an_archive_that_is_gone_degrades_its_backup_until_it_is_back(reconciled, backup):
    path = reconciled.path(backup)
    path.rename(path.with_name("elsewhere"))
    assert reconciled.found("I1") == ["archive_missing"]
    assert not degraded(backup)
    assert reconciled.look("I1", repair=True).tallies["I1"].repaired == 1
    assert degraded(backup)
    finding = Finding.objects.get()
    assert (finding.object_id, finding.repaired_at is None, finding.gone_at) == (backup.id, False, None)
    assert reconciled.look("I1", repair=True).tallies["I1"].new == 0

    path.with_name("elsewhere").rename(path)
    assert reconciled.found("I1") == []
    assert not degraded(backup)
    assert Finding.objects.get().gone_at is not None


def test_an_archive_that_was_cut_is_found_by_its_size(reconciled, backup):
    path = reconciled.path(backup)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert reconciled.found("I1", repair=True) == ["archive_size"]
    assert Finding.objects.get().params == {"found": len(whole) - 1, "expected": len(whole)}
    assert degraded(backup)


@pytest.mark.parametrize("offset", [40, -1])
def test_deep_pass_finds_a_changed_byte_and_only_it_clears_that(offset, reconciled, backup):
    path = reconciled.path(backup)
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[offset] ^= 1
    path.write_bytes(changed)
    assert reconciled.found("I1") == []
    assert reconciled.found("I1", deep=True, repair=True) == ["archive_damaged"]
    assert reconciled.found("I1") == ["archive_damaged"]
    assert degraded(backup)
    path.write_bytes(whole)
    assert reconciled.found("I1") == []
    assert not degraded(backup)


@pytest.mark.parametrize(("suffix", "code"), [(".manifest", "manifest_missing"), (".listing", "listing_missing")])
def test_missing_companion_object_is_found_and_the_backup_restores(suffix, code, reconciled, backup):
    assert backup.listing_bytes is not None
    reconciled.path(backup, suffix).unlink()
    assert reconciled.found("I1", repair=True) == [code]
    assert not degraded(backup)


def test_two_faults_of_one_archive_hold_the_mark_together(reconciled, backup):
    path = reconciled.path(backup)
    whole = path.read_bytes()
    path.write_bytes(b"short")
    reconciled.look("I1", repair=True)
    path.unlink()
    assert reconciled.found("I1", repair=True) == ["archive_missing"]
    assert degraded(backup)
    path.write_bytes(whole)
    reconciled.look("I1")
    assert not degraded(backup)


def test_mark_of_another_process_is_not_removed(reconciled, backup):
    Backup.objects.update(degraded=True)
    path = reconciled.path(backup)
    path.rename(path.with_name("elsewhere"))
    assert reconciled.look("I1", repair=True).tallies["I1"].repaired == 0
    path.with_name("elsewhere").rename(path)
    assert reconciled.found("I1") == []
    assert degraded(backup)


def test_a_key_that_is_missing_says_nothing_about_the_bytes(keks, reconciled, backup):  # noqa: F811
    keks.use(SECOND)
    report = reconciled.look("I1", deep=True, repair=True)
    assert [blind.where for blind in report.blind] == [reconciled.target.id]
    assert not Finding.objects.exists()
    assert not degraded(backup)


def test_a_volume_that_is_not_mounted_says_nothing_about_archives(reconciled, backup):
    reconciled.root.rename(reconciled.root.with_name("unmounted"))
    reconciled.root.mkdir()
    assert reconciled.look("I1", repair=True).blind
    assert reconciled.codes() == []
    reconciled.root.rmdir()
    assert reconciled.look("I1", repair=True).blind
    assert reconciled.codes() == []


def test_finding_stays_when_the_storage_is_unreachable(reconciled, backup, monkeypatch):
    reconciled.path(backup).unlink()
    reconciled.look("I1", repair=True)
    monkeypatch.setattr(storages, "target_open", lambda target: FaultyStorage(object(), at=1, fault="forever"))
    report = reconciled.look("I1", repair=True)
    assert report.blind
    assert reconciled.codes() == ["archive_missing"]
    assert degraded(backup)


@pytest.mark.parametrize(("error", "calls"), [(StorageUnavailable, 1), (StorageDenied, 2)])
def test_a_target_that_is_away_is_waited_for_once(error, calls, reconciled, backup, monkeypatch):
    reconciled.backup()
    away = FaultyStorage(object(), at=1, fault="forever", error=error)
    monkeypatch.setattr(storages, "target_open", lambda target: away)
    report = reconciled.look("I1")
    assert len(away.calls) == len(report.blind) == calls


def test_a_backup_that_is_deleted_while_it_is_looked_at_is_no_finding(reconciled, backup, monkeypatch):
    fault = fault_script("a backup deleted while it is looked at")

    def deletes(storage, key):
        if Backup.objects.filter(deleted_at=None).exists():
            fault.strike()
            backup_delete(user=reconciled.owner, backup=backup)
            reconciled.path(backup).unlink()
        return storages.object_size(storage, key)

    monkeypatch.setattr(archives, "object_size", deletes)
    assert reconciled.found("I1") == []
    assert not Finding.objects.exists()


def test_upkeep_continues_where_its_time_ran_out(reconciled, backup, monkeypatch):
    reconciled.backup()
    first, second = Backup.objects.order_by("id")
    for path in (reconciled.path(first), reconciled.path(second)):
        path.unlink()
    clock = iter([0.0, inf, 0.0, 0.0])
    monkeypatch.setattr(archives, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    run.reconcile_upkeep()
    assert list(Finding.objects.values_list("object_id", flat=True)) == [first.id]
    run.reconcile_upkeep()
    assert set(Finding.objects.values_list("object_id", flat=True)) == {first.id, second.id}
    assert Asset.objects.count() == 2
