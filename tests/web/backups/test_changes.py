"""Renaming, locking, deleting, retrying and cancelling in a browser without scripts."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from backups import kinds
from backups.models import Backup, BackupStatus
from backups.services.backups import backup_delete
from operations.models import Operation, OperationState
from orders.rights import OrderRight
from tests.factories import OperationFactory, OrderUserPermissionFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of


def form_of(answer):
    return read(answer).one("form", class_="form")


def said(rental, browser, answer):
    """The only message on the order page after a button's redirect, and its kind."""
    assert (answer.status_code, answer["Location"]) == (302, rental.page)
    notice = read(browser.get(rental.page)).one(id="messages").one(class_="notice")
    return notice["class"].removeprefix("notice "), notice.text


def member_with(rental, *rights):
    member = OrderUserPermissionFactory(content_object=rental.order, right="view_order").user
    for right in rights:
        OrderUserPermissionFactory(content_object=rental.order, user=member, right=right.value)
    return browser_of(member)


def test_the_rename_form_holds_the_name(rental, owner):
    form = form_of(owner.get(rental.at(rental.stored(name="before <1>"), "rename/")))
    assert form.one("h1").text == "Name, notes and tags"
    assert form.one("input", name="name")["value"] == "before <1>"


def test_a_backup_is_renamed(rental, owner):
    backup = rental.stored(name="before")
    answer = owner.post(rental.at(backup, "rename/"), {"name": " after "})
    assert said(rental, owner, answer) == ("ok", "The backup is called “after” now.")
    backup.refresh_from_db()
    assert backup.name == "after"


def test_a_backup_can_be_renamed_while_it_is_created(rental, owner):
    backup = rental.begun()
    assert owner.post(rental.at(backup, "rename/"), {"name": "after"}).status_code == 302
    backup.refresh_from_db()
    assert backup.name == "after"


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\x00b", "\u2029"], ids=ascii)
def test_invalid_name_is_reported_and_changes_nothing(name, rental, owner):
    backup = rental.stored(name="before")
    answer = owner.post(rental.at(backup, "rename/"), {"name": name})
    assert answer.status_code == 400
    form = form_of(answer)
    field = form.one("input", name="name")
    assert (field["aria-invalid"], field.attributes.get("value", "")) == ("true", name)
    assert form.described(field) == form.one(class_="error").text
    backup.refresh_from_db()
    assert backup.name == "before"


def test_refused_rename_keeps_the_input(rental, owner):
    backup = rental.stored(name="before")
    rental.suspend()
    answer = owner.post(rental.at(backup, "rename/"), {"name": "after"})
    assert answer.status_code == 409
    form = form_of(answer)
    assert form.one("input", name="name")["value"] == "after"
    assert "This order is suspended." in form.one(class_="bad").text


def test_a_lock_is_set_and_taken_off_by_the_same_button(rental, owner):
    backup = rental.stored(name="mine")
    for locked, words in ((True, "“mine” is locked: nobody can delete it."), (False, "“mine” is unlocked.")):
        page = read(owner.get(rental.page))
        form = page.one(id=f"lock-{backup.id}").within()[0]
        fields = {field["name"]: field["value"] for field in form.all("input")}
        assert said(rental, owner, owner.post(form["action"], fields)) == ("ok", words)
        backup.refresh_from_db()
        assert backup.locked == locked


def test_locking_twice_is_locked(rental, owner):
    backup = rental.stored()
    for _ in range(2):
        assert owner.post(rental.at(backup, "lock/"), {"locked": "yes"}).status_code == 302
    backup.refresh_from_db()
    assert backup.locked


def test_delete_asks_first_and_names_the_loss(rental, owner):
    backup = rental.stored(name="old one")
    answer = owner.get(rental.at(backup, "delete/"))
    form = form_of(answer)
    assert form.one("h1").text == "Delete this backup?"
    assert "“old one” will be gone for good." in form.text
    assert "23 bytes of storage are free a few moments later." in form.text
    assert form.one("a", class_="button")["href"] == rental.page
    backup.refresh_from_db()
    assert backup.deleted_at is None


def test_a_deleted_backup_is_off_the_list_and_its_removal_is_queued(rental, owner):
    backup = rental.stored(name="old one")
    answer = owner.post(rental.at(backup, "delete/"))
    assert said(rental, owner, answer) == ("ok", "“old one” was deleted.")
    assert read(owner.get(rental.page)).has(class_="empty")
    operation = Operation.objects.get()
    assert (operation.kind, operation.state) == (kinds.DELETE.name, OperationState.QUEUED)


@pytest.mark.parametrize(
    ("arrange", "reason"),
    [
        (lambda rental: rental.stored(locked=True), "This backup is locked against deletion."),
        (lambda rental: rental.begun(), "This cannot be done while the backup is “Creating”."),
        (
            lambda rental: rental.stored(status=BackupStatus.RESTORING),
            "This cannot be done while the backup is “Restoring”.",
        ),
    ],
)
def test_a_deletion_that_is_refused_asks_again_and_says_why(arrange, reason, rental, owner):
    backup = arrange(rental)
    answer = owner.post(rental.at(backup, "delete/"))
    assert answer.status_code == 409
    assert form_of(answer).one(class_="bad").text.startswith(reason)
    backup.refresh_from_db()
    assert backup.deleted_at is None


def test_a_failed_backup_is_made_anew_under_its_name(rental, owner):
    failed = rental.failed(name="weekly")
    answer = owner.post(rental.at(failed, "retry/"))
    assert said(rental, owner, answer)[0] == "ok"
    again = Backup.objects.get(deleted_at__isnull=True)
    assert (again.name, again.status) == ("weekly", BackupStatus.CREATING)
    assert again.id != failed.id


@pytest.mark.parametrize(
    ("rights", "locked", "kept"),
    [([OrderRight.CREATE], False, True), ([OrderRight.CREATE, OrderRight.DELETE], False, False),
     ([OrderRight.CREATE, OrderRight.DELETE], True, True)],
)  # fmt: skip
def test_retry_without_delete_right_keeps_the_failed_backup(rights, locked, kept, rental):
    failed = rental.failed(locked=locked)
    browser = member_with(rental, *rights)
    assert said(rental, browser, browser.post(rental.at(failed, "retry/")))[0] == "ok"
    statuses = Backup.objects.filter(deleted_at__isnull=True).values_list("status", flat=True)
    assert sorted(statuses) == (["creating", "failed"] if kept else ["creating"])


def test_only_a_failed_backup_can_be_retried(rental, owner):
    backup = rental.stored()
    words = said(rental, owner, owner.post(rental.at(backup, "retry/")))
    assert words[0] == "bad"
    assert words[1].startswith("This cannot be done while the backup is “Ready”.")
    assert Backup.objects.count() == 1


def test_a_failed_backup_that_cannot_be_tried_again_now_stays(rental, owner):
    failed = rental.failed()
    rental.order.provisions.filter(kind="sidecar").delete()
    assert said(rental, owner, owner.post(rental.at(failed, "retry/")))[0] == "bad"
    failed.refresh_from_db()
    assert failed.deleted_at is None


def test_queued_operation_is_cancelled_at_once(rental, owner):
    backup = rental.begun(state=OperationState.QUEUED)
    form = read(owner.get(rental.page)).one(id=f"cancel-{backup.id}").within()[0]
    told = f"“{backup.name}” was cancelled. Your server was not changed."
    assert said(rental, owner, owner.post(form["action"])) == ("info", told)
    backup.refresh_from_db()
    assert (backup.status, backup.operation.state) == (BackupStatus.FAILED, OperationState.CANCELLED)
    row = read(owner.get(rental.page)).one(id=f"backup-{backup.id}")
    assert "This backup was cancelled. The operation was cancelled." in row.text


def test_running_operation_is_asked_to_stop_only_once(rental, owner):
    backup = rental.begun()
    owner.post(f"{rental.page}operations/{backup.operation_id}/cancel/")
    page = read(owner.get(rental.page))
    assert "Stopping" in page.one(id=f"backup-{backup.id}").text
    assert not page.has(id=f"cancel-{backup.id}")


def test_finished_operation_cannot_be_cancelled(rental, owner):
    backup = rental.failed()
    words = said(rental, owner, owner.post(f"{rental.page}operations/{backup.operation_id}/cancel/"))
    assert words[0] == "bad"
    assert "“Failed”" in words[1]


def test_operation_of_another_order_cannot_be_cancelled_here(rental, owner):
    other = OperationFactory(order__customer=rental.order.customer, state=OperationState.QUEUED)
    answer = owner.post(f"{rental.page}operations/{other.id}/cancel/")
    assert answer.status_code == 404
    assert read(answer).one("h1").text == "Operation not found"
    other.refresh_from_db()
    assert other.state == OperationState.QUEUED


@pytest.mark.parametrize("what", ["", "rename/", "lock/", "restore/", "retry/", "delete/", "download/"])
@pytest.mark.parametrize("gone", ["deleted meanwhile", "never there"])
def test_a_backup_that_is_gone_is_told_above_the_list_without_it(gone, what, rental, owner):
    backup = rental.stored(name="gone")
    address = rental.at(backup, what)
    if gone == "never there":
        address = address.replace(str(backup.id), str(uuid4()))
        backup.delete()
    else:
        backup_delete(user=rental.owner, backup=backup)
    kept = rental.stored(name="kept")
    asked = owner.post if what in ("lock/", "retry/") else owner.get
    answer = asked(address, {"mode": "overlay", "name": "x"})
    page = read(answer)
    assert answer.status_code == 404
    assert page.one(id="messages").one(class_="warn").text == "There is no such backup, or it was deleted."
    assert [link.text for link in page.all("a", class_="row-link")] == [kept.name]


def test_a_deletion_that_another_was_faster_with_is_no_failure(rental, owner):
    backup = rental.stored()
    owner.get(rental.at(backup, "delete/"))
    Backup.objects.filter(id=backup.id).update(deleted_at=timezone.now())
    answer = owner.post(rental.at(backup, "delete/"))
    assert answer.status_code == 404
    assert read(answer).one(id="backups").has(class_="empty")
