"""The end of an operation is announced once: by the poll of an open page, else by the order's next page."""

from __future__ import annotations

import pytest
from django.utils import timezone

from backups import kinds
from backups.models import Backup, BackupStatus, OperationRole
from backups.services.backups import backup_delete
from backups.services.roles import backups_give_back
from operations.errors import OperationCancelled
from operations.models import Operation, OperationState
from operations.services.operations import operation_fail, operation_finish
from tests.factories import (
    AssetFactory,
    BackupFactory,
    OperationBackupFactory,
    OperationFactory,
    OrderUserPermissionFactory,
)
from tests.web.backups.reading import hx, read
from tests.world.clients import browser_of
from vault.errors import StorageUnavailableError

STARTED = "You can leave this page, it goes on by itself."
STOPPED = "Your server was not changed."
ENDS = {
    ("create", "succeeded"): ("ok", "“Nightly” is ready."),
    ("create", "failed"): ("bad", "“Nightly” could not be created."),
    ("create", "cancelled"): ("info", f"“Nightly” was cancelled. {STOPPED}"),
    ("restore", "succeeded"): ("ok", "“Nightly” was restored. Undo"),
    ("restore", "failed"): ("bad", "“Nightly” could not be restored."),
    ("restore", "cancelled"): ("info", f"The restore of “Nightly” was cancelled. {STOPPED}"),
    ("undo", "succeeded"): ("ok", "The restore of “Nightly” was undone."),
    ("undo", "failed"): ("bad", "The restore of “Nightly” could not be undone."),
    ("undo", "cancelled"): ("info", f"The undo of the restore of “Nightly” was cancelled. {STOPPED}"),
    ("verify", "succeeded"): ("ok", "“Nightly” was verified."),
    ("verify", "failed"): ("bad", "“Nightly” could not be verified."),
    ("verify", "cancelled"): ("info", f"The verification of “Nightly” was cancelled. {STOPPED}"),
    ("reprovision", "succeeded"): ("ok", "The reinstallation has ended."),
    ("delete", "failed"): ("bad", "Delete, Failed: “Nightly”"),
}


def begun(rental, kind: str) -> Backup:
    """A backup with a running operation of a kind; a restore has a safety backup."""
    status = {"create": "creating", "restore": "restoring", "undo": "restoring"}.get(kind)
    backup = BackupFactory(provision=rental.server, name="Nightly", **({status: True} if status else {}))
    operation = OperationFactory(
        order=rental.order, kind=kind, state=OperationState.RUNNING,
        subject=None if kind == kinds.REPROVISION.name else backup,
    )  # fmt: skip
    if kind == kinds.RESTORE.name:
        safety = BackupFactory(provision=rental.server, name="Kept", is_safety=True)
        OperationBackupFactory(operation=operation, backup=safety, role=OperationRole.SAFETY)
    return backup


def end(backup: Backup, state: str) -> None:
    """End the operation as a worker does."""
    operation = Operation.objects.get(order=backup.order, state=OperationState.RUNNING)
    if state == OperationState.SUCCEEDED:
        assert operation_finish(operation=operation, state=OperationState.SUCCEEDED)
        backups_give_back(operation)
        if backup.status == BackupStatus.CREATING:
            asset = AssetFactory(customer=backup.order.customer)
            whole = {"status": BackupStatus.READY, "asset": asset, "size_bytes": 1, "completed_at": timezone.now()}
            Backup.objects.filter(id=backup.id).update(**whole)
    else:
        error = OperationCancelled() if state == OperationState.CANCELLED else StorageUnavailableError()
        assert operation_fail(operation=operation, error=error)


def told(answer) -> list[tuple[str, str]]:
    """Tone and text of each notice above a page."""
    notices = read(answer).one(id="messages").all(class_="notice")
    return [(next(name for name in notice["class"].split() if name != "notice"), notice.text) for notice in notices]


def poll(browser, page):
    """Poll as the open page does."""
    node = next(node for node in read(page).walk() if "data-poll" in node)
    return browser.get(node["hx-get"], headers=hx(target=node["id"]))


def test_every_sentence_is_among_the_ends():
    assert {(kind.name, str(state)) for kind in kinds.KINDS for state in kind.words.endings} <= set(ENDS)


@pytest.mark.parametrize("ended", ENDS, ids=" ".join)
@pytest.mark.parametrize("way", ["poll", "page"])
def test_end_is_reported_once(way, ended, rental, owner):
    kind, state = ended
    backup = begun(rental, kind)
    page = owner.get(rental.page)
    assert told(page) == []
    end(backup, state)
    answer = poll(owner, page) if way == "poll" else owner.get(rental.page)
    ((tone, text),) = told(answer)
    assert (
        (tone, text) == ENDS[ended] if state != "failed" else (tone, text.startswith(ENDS[ended][1])) == ("bad", True)
    )
    if state == "failed":
        assert len(text) > len(ENDS[ended][1]) + 20
    if way == "poll":
        assert read(answer).one(id="messages")["hx-swap-oob"] == "innerHTML"
        assert poll(owner, answer).status_code == 204
    assert told(owner.get(rental.page)) == []


@pytest.mark.parametrize("ended", [("create", "succeeded"), ("restore", "succeeded"), ("create", "failed")])
@pytest.mark.parametrize("place", ["detail", "activity"])
def test_end_is_reported_on_the_other_pages_of_the_order(place, ended, rental, owner):
    backup = begun(rental, ended[0])
    page = owner.get(rental.at(backup))
    end(backup, ended[1])
    answer = poll(owner, page) if place == "detail" else owner.get(f"{rental.page}activity/")
    assert [text.startswith(ENDS[ended][1]) for _tone, text in told(answer)] == [True]
    assert told(owner.get(rental.page)) == []


def test_undo_stands_beside_a_restore_that_is_done(rental, owner):
    backup = begun(rental, "restore")
    page = owner.get(rental.page)
    end(backup, "succeeded")
    undo = read(poll(owner, page)).one(id="messages").one("a")
    assert (undo["href"], undo["hx-target"]) == (rental.at(backup, "undo/"), "#dialog-body")
    assert "Undo this restore?" in read(owner.get(undo["href"])).text


def test_undo_is_not_offered_without_the_right_to_restore(rental):
    member = browser_of(OrderUserPermissionFactory(content_object=rental.order, right="view_order").user)
    backup = begun(rental, "restore")
    page = member.get(rental.page)
    end(backup, "succeeded")
    assert told(poll(member, page)) == [("ok", "“Nightly” was restored.")]


def test_end_is_reported_in_each_of_two_tabs(rental, owner):
    backup = begun(rental, "create")
    first, second = owner.get(rental.page), owner.get(rental.at(backup))
    end(backup, "succeeded")
    assert [told(poll(owner, page)) for page in (first, second)] == [[ENDS["create", "succeeded"]]] * 2
    assert told(owner.get(rental.page)) == []


@pytest.mark.parametrize("what", ["create", "retry", "restore", "undo"])
def test_end_before_the_next_page_is_reported(what, rental, owner):
    if what == "create":
        path, body = rental.create_page, {"name": "Nightly"}
    elif what == "retry":
        path, body = rental.at(rental.failed(name="Nightly"), "retry/"), {}
    else:
        backup = begun(rental, "restore")
        end(backup, "succeeded")
        path, body = rental.at(backup, f"{what}/"), {"mode": "overlay"}
    assert owner.post(path, body).status_code == 302
    kind = {"retry": "create"}.get(what, what)
    queued = Operation.objects.filter(kind=kind, state=OperationState.QUEUED)
    assert queued.update(state=OperationState.RUNNING, fence=1) == 1
    end(Backup.objects.get(operation__state=OperationState.RUNNING), "failed")
    started, ended = told(owner.get(rental.page))
    assert STARTED in started[1]
    assert ended[1].startswith(ENDS[kind, "failed"][1])
    assert told(owner.get(rental.page)) == []


def test_head_takes_nothing(rental, owner):
    backup = begun(rental, "create")
    owner.get(rental.page)
    end(backup, "succeeded")
    assert owner.head(rental.page).status_code == 200
    assert told(owner.get(rental.page)) == [ENDS["create", "succeeded"]]


def test_warnings_of_a_backup_are_reported_with_its_end(rental, owner):
    backup = begun(rental, "create")
    page = owner.get(rental.page)
    Backup.objects.filter(id=backup.id).update(warnings_total=2)
    end(backup, "succeeded")
    assert told(poll(owner, page)) == [("ok", "“Nightly” is ready. It has 2 warnings.")]


@pytest.mark.parametrize("kind", ["restore", "undo"])
def test_kept_paths_are_announced_with_the_end_of_a_restore(kind, rental, owner):
    backup = begun(rental, kind)
    page = owner.get(rental.page)
    Operation.objects.update(warnings_total=2)
    end(backup, "succeeded")
    ((tone, text),) = told(poll(owner, page))
    assert tone == "ok"
    assert "2 files and folders stay as they were" in text


def test_backup_deleted_since_is_not_told(rental, owner):
    backup = begun(rental, "create")
    owner.get(rental.page)
    end(backup, "succeeded")
    backup_delete(user=rental.owner, backup=backup)
    assert told(owner.get(rental.page)) == []


@pytest.mark.parametrize("asked", ["not-an-id", "", "00000000-0000-4000-8000-000000000000", "another order's"])
def test_operation_that_is_none_of_the_order_is_not_told(asked, rental, owner):
    elsewhere = OperationFactory()
    watch = str(elsewhere.id) if asked == "another order's" else asked
    answer = owner.get(rental.region, {"watch": watch}, headers=hx(target="backups"))
    assert not read(answer).has(id="messages")
