"""Answers to htmx: forms for the dialog, the changed part, messages, or the address to go on to."""

from __future__ import annotations

import pytest

from backups.models import Backup
from backups.services.backups import backup_delete
from tests.factories import OrderUserPermissionFactory
from tests.web.backups.reading import hx, read
from tests.world.clients import browser_of

DIALOG = hx(target="dialog-body")
FORMS = ["rename/", "delete/"]


def from_the_dialog(path):
    return hx(target="dialog-body", current=path)


def assert_part(answer, *, level, words):
    """Check for the updated region with a message beside it, for the target that htmx is told."""
    assert answer.status_code == 200
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#backups", "outerHTML")
    assert "dialog-close" in answer["HX-Trigger-After-Swap"]
    assert "HX-Redirect" not in answer
    part = read(answer)
    assert not part.has("html")
    assert part.one(id="backups")["data-poll"] == ""
    messages = part.one(id="messages")
    assert messages["hx-swap-oob"] == "innerHTML"
    assert (
        messages.one(
            class_="notice",
        ).text
        == words
    )
    assert level in messages.one(class_="notice")["class"]
    return part


def test_a_form_for_the_dialog_is_the_form_alone(rental, owner):
    backup = rental.stored()
    for path in (rental.create_page, *(rental.at(backup, what) for what in FORMS)):
        answer = owner.get(path, headers=DIALOG)
        assert answer.status_code == 200
        part = read(answer)
        assert not part.has("html")
        form = part.one("form")
        assert (form["action"], form["hx-post"], form["hx-target"]) == (path, path, "#dialog-body")
        assert part.one(id="dialog-title").tag == "h2"
        assert form.has("input", name="csrfmiddlewaretoken")


def test_the_page_of_a_form_is_no_dialog(rental, owner):
    backup = rental.stored()
    for path in (rental.create_page, *(rental.at(backup, what) for what in FORMS)):
        page = read(owner.get(path))
        assert page.has("html")
        form = page.one("form", class_="form")
        assert "hx-post" not in form
        assert "autofocus" not in form.one("h1")


@pytest.mark.parametrize("name", ["x" * 101, "a\nb"], ids=ascii)
def test_a_mistake_stays_in_the_dialog(name, rental, owner):
    backup = rental.stored()
    for path in (rental.create_page, rental.at(backup, "rename/")):
        answer = owner.post(path, {"name": name}, headers=from_the_dialog(rental.page))
        assert answer.status_code == 400
        part = read(answer)
        assert not part.has("html")
        assert part.one("input", name="name")["aria-invalid"] == "true"
        assert "HX-Retarget" not in answer
        assert "HX-Trigger-After-Swap" not in answer


def test_a_refusal_stays_in_the_dialog(rental, owner):
    backup = rental.stored(locked=True)
    rental.begun()
    for path in (rental.create_page, rental.at(backup, "delete/")):
        answer = owner.post(path, {"name": "typed"}, headers=from_the_dialog(rental.page))
        assert answer.status_code == 409
        assert read(answer).one(class_="bad")["role"] == "alert"
        assert not read(answer).has("html")


def test_deleted_backup_is_reported_in_the_dialog(rental, owner):
    backup = rental.stored()
    backup_delete(user=rental.owner, backup=backup)
    for method in (owner.get, owner.post):
        answer = method(rental.at(backup, "rename/"), {"name": "x"}, headers=from_the_dialog(rental.page))
        assert answer.status_code == 404
        part = read(answer)
        assert not part.has("html")
        assert part.one(id="dialog-title").text == "Backup not found"
        assert part.one("a", class_="button")["href"] == rental.page


def test_a_backup_that_was_begun_from_the_order_page_appears_on_it(rental, owner):
    answer = owner.post(rental.create_page, {"name": "new"}, headers=from_the_dialog(rental.page))
    words = "“new” was started. You can leave this page, it goes on by itself."
    part = assert_part(answer, level="ok", words=words)
    assert [link.text for link in part.all("a", class_="row-link")] == ["new"]
    assert part.one(id="backups")["hx-trigger"].startswith("every 3s")
    assert not read(owner.get(rental.page)).one(id="messages").has(class_="notice")


def test_the_page_with_a_query_is_the_order_page_too(rental, owner):
    answer = owner.post(rental.create_page, {"name": "new"}, headers=from_the_dialog(f"{rental.page}?status=ready"))
    assert answer["HX-Retarget"] == "#backups"


def test_a_rename_and_a_deletion_from_the_order_page_change_it(rental, owner):
    backup = rental.stored(name="before")
    answer = owner.post(rental.at(backup, "rename/"), {"name": "after"}, headers=from_the_dialog(rental.page))
    part = assert_part(answer, level="ok", words="The backup is called “after” now.")
    assert part.one("a", class_="row-link").text == "after"
    answer = owner.post(rental.at(backup, "delete/"), headers=from_the_dialog(rental.page))
    part = assert_part(answer, level="ok", words="“after” was deleted.")
    assert part.has(class_="empty")


def test_buttons_of_the_order_page_change_it(rental, owner):
    failed = rental.failed()
    lock = owner.post(rental.at(failed, "lock/"), headers=hx(target="backups", current=rental.page))
    assert_part(lock, level="ok", words=f"“{failed.name}” is locked: nobody can delete it.")
    retry = owner.post(rental.at(failed, "retry/"), headers=hx(target="backups", current=rental.page))
    assert retry["HX-Retarget"] == "#backups"
    running = Backup.objects.get(status="creating")
    path = f"{rental.page}operations/{running.operation_id}/cancel/"
    cancel = owner.post(path, headers=hx(target="backups", current=rental.page))
    assert_part(cancel, level="info", words=f"“{running.name}” was cancelled. Your server was not changed.")


@pytest.mark.parametrize("elsewhere", ["/", "", "/orders/"])
def test_request_from_another_page_leads_to_the_order_page(elsewhere, rental, owner):
    answer = owner.post(rental.create_page, {"name": "new"}, headers=from_the_dialog(elsewhere))
    assert (answer.status_code, answer["HX-Redirect"], answer.content) == (200, rental.page, b"")
    assert "was started" in read(owner.get(rental.page)).one(id="messages").text


def test_an_address_that_is_none_is_anywhere_else(rental, owner):
    answer = owner.post(rental.at(rental.stored(), "lock/"), headers={**hx(), "HX-Current-URL": "http://[x"})
    assert answer["HX-Redirect"] == rental.page


def test_change_on_the_page_of_a_backup_stays_there(rental, owner):
    backup = rental.stored()
    here = hx(target="backup", current=rental.at(backup))
    for what, body in (("lock/", {"locked": "yes"}), ("rename/", {"name": "after"})):
        answer = owner.post(rental.at(backup, what), body, headers=here)
        assert (answer.status_code, answer["HX-Redirect"]) == (200, rental.at(backup))
        assert read(owner.get(rental.at(backup))).one(id="messages").has(class_="ok")


def test_delete_on_the_page_of_a_backup_leads_to_the_list(rental, owner):
    backup = rental.stored()
    answer = owner.post(rental.at(backup, "delete/"), headers=from_the_dialog(rental.at(backup)))
    assert answer["HX-Redirect"] == rental.page


@pytest.mark.parametrize("what", ["retry/", "lock/"])
def test_a_button_that_is_refused_leaves_the_page_and_says_why(what, rental, owner):
    backup = rental.failed()
    rental.suspend()
    answer = owner.post(rental.at(backup, what), headers=hx(target="backups", current=rental.page))
    assert answer.status_code == 409
    assert answer["HX-Reswap"] == "none"
    assert "HX-Retarget" not in answer
    part = read(answer)
    assert [node["id"] for node in part.walk() if "id" in node] == ["messages"]
    messages = part.one(id="messages")
    assert messages["hx-swap-oob"] == "innerHTML"
    assert "This order is suspended." in messages.one(class_="bad").text


def test_button_without_the_right_is_refused_with_a_message(rental):
    member = OrderUserPermissionFactory(content_object=rental.order, right="view_order").user
    answer = browser_of(member).post(
        rental.at(rental.stored(), "lock/"), headers=hx(target="backups", current=rental.page)
    )
    assert (answer.status_code, answer["HX-Reswap"]) == (403, "none")
    assert read(answer).one(class_="bad").has("p")


@pytest.mark.parametrize("what", ["lock/", "retry/"])
def test_button_for_a_deleted_backup_is_refused_with_a_message(what, rental, owner):
    backup = rental.failed()
    backup_delete(user=rental.owner, backup=backup)
    answer = owner.post(rental.at(backup, what), headers=hx(target="backups", current=rental.page))
    assert (answer.status_code, answer["HX-Reswap"]) == (404, "none")
    assert read(answer).one(class_="bad").text == "There is no such backup, or it was deleted."


def targets(page, node):
    wanted = node.attributes.get("hx-target", "this")
    if wanted == "this":
        return [node]
    if wanted.startswith("closest "):
        name = wanted.removeprefix("closest [").removesuffix("]")
        return [around for around in node.within() if name in around][:1]
    return page.all(id=wanted.removeprefix("#"))


def test_every_request_of_a_page_has_a_place_for_its_answer(rental, owner):
    """htmx sends no request when its target is not on the page: the button would do nothing."""
    ready, failed = rental.stored(), rental.failed()
    looks = [owner.get(path) for path in (rental.page, rental.at(ready), rental.at(failed))]
    running = rental.begun()
    looks += [owner.get(path) for path in (rental.page, rental.at(running))]
    asked = set()
    for look in looks:
        page = read(look)
        for node in page.walk():
            address = node.attributes.get("hx-get") or node.attributes.get("hx-post")
            if address:
                assert len(targets(page, node)) == 1, (look.wsgi_request.path, node.attributes)
                asked.add(address.split("?")[0].split("/")[-2])
    assert asked == {
        "backups", "detail", "create", "rename", "lock", "delete", "retry", "cancel", "verify", "bulk", "test-restores",
    }  # fmt: skip
