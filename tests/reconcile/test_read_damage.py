"""I1: damage met by a restore or a download stays marked until a full read of the archive succeeds."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent
from backups.formats.download import DownloadChoice
from backups.models import Backup, Finding
from backups.reconcile import archives
from backups.services.downloads import asset_check
from backups.services.restores import RestoreOptions, backup_restore
from operations.models import Operation
from tests.web.backups.reading import read
from tests.world.clients import browser_of, client_of
from vault.models import StorageTarget


@pytest.fixture(params=["plain", "sealed"])
def backup(request, reconciled):
    StorageTarget.objects.update(sealed=request.param == "sealed")
    return reconciled.backup()


def degraded(backup):
    return Backup.objects.get(id=backup.id).degraded


def flipped(reconciled, backup):
    """Flip a bit in the middle, which a check of the ends does not open."""
    path = reconciled.path(backup)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def restored(reconciled, backup):
    """The error code of a restore, empty for a success."""
    backup_restore(
        user=reconciled.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
        options=RestoreOptions(safety=False), idempotency=None,
    )  # fmt: skip
    reconciled.answer()
    return Operation.objects.filter(kind="restore").latest("created_at").error_code


DAMAGES = {
    "flipped": flipped,
    "cut": lambda reconciled, backup: reconciled.path(backup).write_bytes(reconciled.path(backup).read_bytes()[:-1]),
    "gone": lambda reconciled, backup: reconciled.path(backup).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_restore_that_ended_damaged_degrades_the_backup(damage, reconciled, backup):
    DAMAGES[damage](reconciled, backup)
    assert restored(reconciled, backup) == "archive_damaged"
    assert (Backup.objects.get(id=backup.id).status, degraded(backup)) == ("ready", True)
    finding = Finding.objects.get()
    assert (finding.code, finding.object_id, finding.confirmed_at is None) == ("archive_read_damaged", backup.id, False)
    assert AuditEvent.objects.filter(action="backup.degrade", object_id=backup.id).count() == 1
    assert restored(reconciled, backup) == "archive_damaged"
    assert Finding.objects.count() == 1


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_download_that_cannot_begin_degrades_the_backup(damage, reconciled, backup):
    DAMAGES[damage](reconciled, backup)
    owner = browser_of(reconciled.owner)
    assert owner.get(f"/orders/{backup.order_id}/backups/{backup.id}/download/").status_code == 409
    assert degraded(backup)


def test_storage_that_is_away_degrades_nothing(reconciled, backup):
    reconciled.root.rename(reconciled.root.with_name("away"))
    assert restored(reconciled, backup) == "storage_unavailable"
    assert client_of(reconciled.owner).get(f"/api/v1/assets/{backup.asset_id}/").status_code == 503
    assert not degraded(backup)
    assert not Finding.objects.exists()


def test_no_shallow_look_takes_the_mark_back_and_a_deep_one_does(reconciled, backup, monkeypatch):
    whole = reconciled.path(backup).read_bytes()
    flipped(reconciled, backup)
    restored(reconciled, backup)
    depths = []
    monkeypatch.setattr(archives, "_damaged", lambda asset, *parts: depths.append(parts) or True)
    for _ in range(2):
        assert reconciled.found("I1", repair=True) == ["archive_read_damaged"]
    assert depths == []
    monkeypatch.undo()
    assert "archive_read_damaged" in reconciled.found("I1", deep=True, repair=True)
    reconciled.path(backup).write_bytes(whole)
    assert reconciled.found("I1", repair=True) == ["archive_read_damaged"]
    assert degraded(backup)
    assert reconciled.found("I1", deep=True) == []
    assert not degraded(backup)


def test_mark_outlives_an_archive_that_was_away(reconciled, backup):
    flipped(reconciled, backup)
    restored(reconciled, backup)
    path = reconciled.path(backup)
    path.rename(path.with_name("elsewhere"))
    assert reconciled.found("I1", repair=True) == ["archive_missing", "archive_read_damaged"]
    path.with_name("elsewhere").rename(path)
    assert reconciled.found("I1", repair=True) == ["archive_read_damaged"]
    assert degraded(backup)


def test_restore_that_succeeds_takes_the_mark_back(reconciled, backup):
    whole = reconciled.path(backup).read_bytes()
    flipped(reconciled, backup)
    restored(reconciled, backup)
    reconciled.path(backup).write_bytes(whole)
    assert restored(reconciled, backup) == ""
    assert not degraded(backup)
    assert Finding.objects.get().gone_at is not None


def test_deep_look_reads_a_plain_archive_to_its_end(reconciled):
    StorageTarget.objects.update(sealed=False)
    backup = reconciled.backup()
    whole = reconciled.path(backup).read_bytes()
    flipped(reconciled, backup)
    assert reconciled.found("I1") == []
    assert reconciled.found("I1", deep=True, repair=True) == ["archive_read_damaged"]
    assert degraded(backup)
    reconciled.path(backup).write_bytes(whole)
    assert reconciled.found("I1", deep=True) == []
    assert not degraded(backup)


def test_part_of_a_plain_archive_that_is_known_to_be_damaged_is_refused(reconciled):
    StorageTarget.objects.update(sealed=False)
    backup = reconciled.backup()
    client = client_of(reconciled.owner)
    address = f"/api/v1/assets/{backup.asset_id}/"
    assert client.get(address, headers={"Range": "bytes=5-9"}).status_code == 206
    Backup.objects.update(degraded=True)
    assert client.get(address, headers={"Range": "bytes=5-9"}).status_code == 409
    # Nothing was read: the process that set the mark may remove it.
    assert not Finding.objects.exists()
    # All of the archive is verified by its hash.
    assert client.get(address, headers={"Range": "bytes=0-"}).status_code == 206
    assert client.get(address).status_code == 200


def test_page_and_api_say_that_a_backup_is_damaged(reconciled, backup):
    flipped(reconciled, backup)
    restored(reconciled, backup)
    client, owner = client_of(reconciled.owner), browser_of(reconciled.owner)
    order, provision = backup.order_id, backup.provision_id
    found = client.get(f"/api/v1/orders/{order}/provisions/{provision}/backups/{backup.id}/").json()
    assert found["degraded"] is True
    assert "damaged" in found["caution"]
    for path in ("", "restore/"):
        page = read(owner.get(f"/orders/{order}/backups/{backup.id}/{path}"))
        assert "are damaged" in page.one(id="caution").text
    assert read(owner.get(f"/orders/{order}/")).one("table").one(class_="badge").text == "Damaged"


def test_whole_archive_passes_the_check_before_a_download(reconciled, backup):
    asset_check(Backup.objects.get(id=backup.id).asset, DownloadChoice())
    assert not Finding.objects.exists()
