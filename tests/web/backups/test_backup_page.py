"""The page of one backup: its history, its warnings, and its verification."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups import kinds
from backups.models import Backup
from backups.services.backups import backup_delete
from backups.web import detail
from operations.models import Operation, OperationState
from tests.factories import OperationBackupFactory, OperationFactory, UserFactory
from tests.factories.backups import CONTENT
from tests.web.backups.reading import hx, read, without_token


def timeline(answer):
    return [entry.text for entry in read(answer).one("ol", class_="timeline").all("li")]


def done(backup, *, minutes, **values):
    """An operation on a backup, begun `minutes` ago and done half a minute later."""
    began = timezone.now() - timedelta(minutes=minutes)
    ended = None if values.get("state") in ("queued", "running") else began + timedelta(seconds=30)
    operation = OperationFactory(order=backup.order, started_at=began, finished_at=ended, **values)
    OperationBackupFactory(backup=backup, operation=operation)
    Operation.objects.filter(id=operation.id).update(created_at=began)
    return operation


def facts(answer):
    found = read(answer).one("dl", class_="facts")
    return dict(zip((name.text for name in found.all("dt")), (value.text for value in found.all("dd")), strict=True))


def test_the_page_and_its_part_are_the_same(rental, owner):
    backup = rental.stored(warnings_total=1, warnings=[{"kind": "changed", "path": "a"}])
    moment = timezone.now() - timedelta(minutes=125)
    Backup.objects.update(created_at=moment, completed_at=moment)
    done(backup, minutes=125, kind=kinds.CREATE.name, requested_by=rental.owner)
    page, part = owner.get(rental.at(backup)), owner.get(rental.at(backup, "detail/"), headers=hx(target="backup"))
    assert part.status_code == 200
    assert without_token(part).strip() in without_token(page)
    assert "<html" not in part.content.decode()


def test_page_shows_all_facts_about_a_backup(rental, owner):
    backup = rental.stored(name="one", consistency="quiesced", verified_at=timezone.now(), locked=True)
    answer = owner.get(rental.at(backup))
    page = read(answer)
    assert page.one("h1").text == "one"
    assert page.one(class_="badge").text == "Ready"
    known = facts(answer)
    assert known["Server"] == f"{rental.order.name}, World"
    assert (known["Size"], known["Format"]) == (f"{len(CONTENT)} bytes", "Archive")
    assert page.one(id="sha256").text == backup.asset.sha256
    assert page.one("button", data_copy="#sha256")["data-copied"] == "Copied"
    marks = [mark.text for mark in page.one("ul", class_="marks").all("li")]
    assert marks[:3] == ["Locked", "Files", "Saved by the game first"]
    assert marks[3].startswith("Verified")
    assert [link["href"] for link in page.one("p", class_="crumbs").all("a")] == ["/", rental.page]


def test_a_backup_that_is_created_has_nothing_to_check_yet(rental, owner):
    backup = rental.begun(phase="packing", bytes_done=50, bytes_total=200)
    answer = owner.get(rental.at(backup))
    page = read(answer)
    assert set(facts(answer)) == {"Server", "Created"}
    assert not page.has(id="sha256")
    assert page.one(class_="progress").one("progress")["value"] == "25"
    assert page.has(id=f"cancel-{backup.id}")


def test_timeline_shows_action_user_and_duration(rental, owner):
    backup = rental.stored()
    helper = UserFactory(username="helper")
    done(backup, minutes=180, kind=kinds.CREATE.name, requested_by=rental.owner)
    done(backup, minutes=120, kind=kinds.RESTORE.name, requested_by=helper, params={"mode": "replace"})
    done(backup, minutes=60, kind=kinds.RESTORE.name, params={"mode": "overlay"})
    first, second, third = timeline(owner.get(rental.at(backup)))
    assert first.startswith("Restore · Succeeded")
    assert "by" not in first.split("took")[0].split("·")[-1]
    assert first.endswith("took 30 seconds Files that the backup does not have were kept.")
    assert second.startswith("Restore · Succeeded")
    assert "· by helper · took 30 seconds" in second
    assert second.endswith("Files that the backup does not have were removed.")
    assert third.startswith("Create · Succeeded")
    assert f"by {rental.owner.username}" in third


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        (OperationState.FAILED, "sidecar_unavailable", "The backup agent beside your server could not be reached."),
        (OperationState.FAILED, "not_enough_space", "Your server's disk has too little free space for the restore."),
        (OperationState.FAILED, "archive_damaged", "The stored backup is damaged. Your server was not changed."),
        (OperationState.CANCELLED, "cancelled", "The operation was cancelled. Your server was not changed."),
        (OperationState.FAILED, "of-a-newer-version", "Something went wrong on our side."),
        (OperationState.FAILED, "limit_reached", "Limit reached"),
    ],
)
def test_a_restore_that_did_not_succeed_says_why_in_a_sentence(state, code, words, rental, owner):
    backup = rental.stored()
    operation = done(backup, minutes=5, kind=kinds.RESTORE.name, state=state, error_code=code)
    Backup.objects.update(operation=operation)
    answer = owner.get(rental.at(backup))
    notice = read(answer).one(id="backup").one(class_="notice")
    title = "The restore was cancelled" if state == OperationState.CANCELLED else "The restore failed"
    assert notice.one("strong").text == title
    assert notice.one("p").text.startswith(words)
    assert words in timeline(answer)[0]
    assert read(answer).one(class_="badge").text == "Ready"


def test_a_failure_that_a_restore_made_good_is_only_history(rental, owner):
    backup = rental.stored()
    done(backup, minutes=10, kind=kinds.RESTORE.name, state="failed", error_code="sidecar_unavailable")
    Backup.objects.update(operation=done(backup, minutes=5, kind=kinds.RESTORE.name))
    answer = owner.get(rental.at(backup))
    assert not read(answer).one(id="backup").has(class_="notice")
    assert [entry.split(" · ")[1].split()[0] for entry in timeline(answer)] == ["Succeeded", "Failed"]


WARNINGS = [
    {"kind": "changed", "path": "world/region/r.0.0.mca"},
    {"kind": "vanished", "path": "logs/<b>latest</b>.log"},
    {"kind": "unreadable", "path": "%FF%0A ü “x” \u202egnp.exe"},
    {"kind": "skipped", "path": "  run/socket "},
    {"kind": "of a newer version", "path": "x" * 4000},
    {},
]


def test_every_warning_is_listed_with_its_path(rental, owner):
    backup = rental.stored(warnings=WARNINGS, warnings_total=len(WARNINGS))
    page = read(owner.get(rental.at(backup)))
    rows = [[cell.text for cell in row.all("td")] for row in page.one(id="backup").one("tbody").all("tr")]
    assert [row[1] for row in rows] == [
        "Changed while it was read",
        "Gone before it was read",
        "Could not be read",
        "Left out: not a file, a folder or a link",
        "Not as it was",
        "Not as it was",
    ]
    paths = [code.children for code in page.one("tbody").all("code", dir="ltr")]
    assert paths == [[warning["path"]] if "path" in warning else [] for warning in WARNINGS]
    assert "6 warnings" in [title.text for title in page.all("h2")]
    assert "are listed" not in page.one(id="backup").text


def test_only_the_first_warnings_are_listed_with_a_note(rental, owner, monkeypatch):
    monkeypatch.setattr(detail, "WARNINGS_SHOWN", 2)
    site_warnings = [{"kind": "changed", "path": str(number)} for number in range(3)]
    backup = rental.stored(warnings=site_warnings, warnings_total=70_000)
    page = read(owner.get(rental.at(backup)))
    assert len(page.one(id="backup").one("tbody").all("tr")) == 2
    assert "The first 2 are listed." in page.one(id="backup").text
    assert "70000 warnings" in [title.text for title in page.all("h2")]


def test_single_warning_is_in_the_singular(rental, owner):
    backup = rental.stored(warnings=WARNINGS[:1], warnings_total=1)
    assert "1 warning" in [title.text for title in read(owner.get(rental.at(backup))).all("h2")]


def test_timeline_keeps_the_name_of_a_deleted_user(rental, owner):
    backup = rental.stored()
    helper = UserFactory()
    done(backup, minutes=5, kind=kinds.CREATE.name, requested_by=helper)
    helper.delete()
    assert timeline(owner.get(rental.at(backup)))[0].startswith("Create · Succeeded")


def test_timeline_shows_only_operations_of_this_backup(rental, owner):
    backup, other = rental.stored(), rental.stored()
    done(other, minutes=5, kind=kinds.RESTORE.name)
    assert timeline(owner.get(rental.at(backup))) == []


def test_the_page_of_a_backup_that_is_deleted_meanwhile_leads_to_the_list(rental, owner):
    backup = rental.stored()
    poll = read(owner.get(rental.at(backup))).one(id="backup")["hx-get"]
    backup_delete(user=rental.owner, backup=backup)
    answer = owner.get(poll, headers=hx(target="backup", current=rental.at(backup)))
    assert (answer.status_code, answer["HX-Redirect"]) == (200, rental.page)
    assert owner.get(rental.at(backup)).status_code == 404


def test_damaged_files_are_named_and_the_restore_says_why_it_is_refused(rental, owner):
    paths = [{"path": f"world/<{number}>", "reason": "a chunk of it is damaged or lost"} for number in range(100)]
    backup = rental.stored(degraded=True, damaged={"files": 250, "paths": paths, "content": False})
    page = read(owner.get(rental.at(backup)))
    card = page.one(id="damaged")
    assert card.one("h2").text == "250 damaged files"
    assert [row.text for row in card.one("tbody").all("code")] == [found["path"] for found in paths]
    assert "The first 100 are listed." in card.text
    assert "250 files of this backup are damaged" in page.one(id="caution").text
    refused = owner.get(rental.at(backup, "restore/"))
    assert "250 files of this backup are damaged, the first of them" in refused.content.decode()


def test_the_bytes_of_a_snapshot_are_told_apart(rental, owner):
    backup = rental.stored(added_bytes=3 << 20, fair_bytes=5 << 20, unique_bytes=1 << 20)
    known = facts(owner.get(rental.at(backup)))
    assert (known["Added to the storage"], known["Stored"]) == ("3 MiB", "5 MiB, of which a delete frees 1 MiB")


def test_backup_without_damage_names_no_files(rental, owner):
    page = read(owner.get(rental.at(rental.stored())))
    assert not page.all(id="damaged")


def test_verification_after_a_restore_leaves_its_undo(rental, owner):
    backup = rental.stored()
    safety = rental.stored(is_safety=True)
    restored = OperationFactory(order=rental.order, kind="restore", subject=backup)
    OperationBackupFactory(backup=safety, operation=restored, role="safety")
    OperationFactory(order=rental.order, kind="verify", subject=backup)
    assert "undo/" in owner.get(rental.at(backup)).content.decode()
