"""`manage.py reconcile`, and the scheduled run."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from backups.models import Backup, Finding
from backups.reconcile import findings, run, storages
from backups.reconcile.run import reconcile_upkeep
from backups.reconcile.wording import Code, finding_remedy, finding_sentence
from operations.services.chores import chores_run
from tests.factories import FindingFactory
from tests.reconcile.conftest import older
from tests.storage.memory import FaultyStorage
from vault.models import StoredObject


def command(*arguments):
    """The command's output and exit status."""
    out, err = StringIO(), StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue() + err.getvalue() + str(error), error.returncode
    return out.getvalue() + err.getvalue(), 0


def test_where_all_holds_it_says_so_in_numbers(reconciled):
    reconciled.backup()
    said, status = command()
    assert status == 0
    assert [line.split() for line in said.splitlines()[1:]] == [
        [name, "0", "0", "0", "0"] for name in ("I1", "I3", "I4", "I5", "I6", "I7")
    ]


def test_open_findings_are_listed_with_status_one(reconciled):
    backup = reconciled.backup()
    reconciled.path(backup).unlink()
    said, status = command("--repair")
    assert status == 1
    assert "I1 archive_missing open since" in said
    assert f"backup {backup.id}: The archive of this backup is not in its storage." in said
    assert "1 findings remain open." in said


def test_one_invariant_can_be_checked_alone(reconciled):
    reconciled.path(reconciled.backup()).unlink()
    said, status = command("--invariant", "I6")
    assert (status, "I1" in said) == (0, False)


def test_watched_findings_are_listed_but_do_not_count(reconciled):
    reconciled.drop(f"backups/{uuid4()}/{uuid4()}.tar.gz")
    said, status = command()
    assert "object_unowned watched since" in said
    assert status == 0


def test_incomplete_pass_has_status_two(reconciled, monkeypatch):
    reconciled.backup()
    monkeypatch.setattr(storages, "target_open", lambda target: FaultyStorage(object(), at=1, fault="forever"))
    said, status = command()
    assert status == 2
    assert f"could not be looked at: {reconciled.target.id}: StorageUnavailable" in said


def test_second_concurrent_run_is_refused(reconciled):
    cache.add(run.RUNNING, "")
    said, status = command()
    assert (status, said) == (2, "Another run is under way; nothing was looked at.")
    reconcile_upkeep()
    cache.delete(run.RUNNING)
    assert command()[1] == 0
    assert cache.get(run.RUNNING) is None


def test_unknown_invariant_is_refused():
    assert "invalid choice" in command("--invariant", "I8")[0]


def test_upkeep_makes_only_repairs_that_delete_nothing(reconciled, settled):
    backup = reconciled.backup()
    StoredObject.objects.create(target=reconciled.target, key=f"backups/{uuid4()}.tar.gz", backup_id=uuid4())
    Backup.objects.update(status="restoring")
    chores_run()
    assert Backup.objects.get(id=backup.id).status == "ready"
    assert reconciled.codes() == ["owner_gone"]
    assert not StoredObject.objects.filter(condemned_at__isnull=False).exists()


def test_upkeep_opens_each_archive_once_a_day(reconciled, monkeypatch):
    backup = reconciled.backup()
    path = reconciled.path(backup)
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    real = run.database_now
    found = []
    for hour in range(24):
        monkeypatch.setattr(run, "database_now", lambda hour=hour: real().replace(hour=hour))
        reconcile_upkeep()
        found.extend(Finding.objects.values_list("code", flat=True))
        Finding.objects.all().delete()
    assert found == ["archive_damaged"]


def test_upkeep_lists_the_storages_every_sixth_hour(reconciled, monkeypatch):
    reconciled.drop(f"backups/{uuid4()}/{uuid4()}.tar.gz")
    real = run.database_now
    found = []
    for hour in range(24):
        monkeypatch.setattr(run, "database_now", lambda hour=hour: real().replace(hour=hour))
        reconcile_upkeep()
        if Finding.objects.all().delete()[0]:
            found.append(hour)
    assert found == [0, 6, 12, 18]


def test_so_many_findings_are_kept_and_no_more(reconciled, monkeypatch, settled):
    monkeypatch.setattr(findings, "OPEN_MAX", 2)
    rows = [
        StoredObject.objects.create(target=reconciled.target, key=f"backups/{number}.tar.gz", backup_id=uuid4())
        for number in range(4)
    ]
    assert reconciled.look("I6").tallies["I6"].seen == 4
    assert reconciled.codes() == ["owner_gone"] * 2
    reconciled.look("I6", repair=True)
    reconciled.look("I6", repair=True)
    assert all(StoredObject.objects.get(id=row.id).condemned_at for row in rows)


def test_long_resolved_findings_are_deleted(reconciled):
    FindingFactory()
    reconciled.look("I1")
    assert Finding.objects.get().gone_at is not None
    older(Finding.objects.all(), gone_at=timedelta(days=91))
    reconciled.look("I5")
    assert not Finding.objects.exists()


@pytest.mark.parametrize("code", Code.values)
def test_every_finding_is_a_sentence(code):
    params = {"found": 1, "expected": 2, "count": 3, "limit": 4}
    sentence = finding_sentence(Finding(code=code, params=params))
    assert sentence.endswith(".")
    assert "%" not in sentence
    assert finding_remedy(Finding(code=code)) in ("", finding_remedy(Finding(code=code)).rstrip(".") + ".")


def test_a_finding_of_another_release_still_reads():
    assert finding_sentence(Finding(code="from_the_future", params={})) == "from_the_future"
    assert finding_sentence(Finding(code=Code.ARCHIVE_SIZE, params={})) == "archive_size"
    assert finding_remedy(Finding(code="from_the_future")) == ""
