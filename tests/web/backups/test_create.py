"""Creating a backup by its form, on a page of its own."""

from __future__ import annotations

import pytest

from backups.models import Backup, BackupStatus
from operations.models import Operation, OperationState
from orders.rights import OrderRight
from tests.factories import OrderUserPermissionFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of

TOO_LONG = "Ensure this value has at most 100 characters (it has 101)."
CONTROL = "A name has no control characters and no line breaks."


def form_of(answer):
    return read(answer).one("form", class_="form")


def notices(answer):
    return [notice.text for notice in read(answer).one(id="messages").all(class_="notice")]


def test_form_asks_for_a_name_and_describes_the_backup(rental, owner):
    answer = owner.get(rental.create_page)
    form = form_of(answer)
    assert answer.status_code == 200
    assert (form["method"], form["action"]) == ("post", rental.create_page)
    assert form.one("h1").text == "Create a backup"
    assert rental.order.name in form.text
    name = form.one("input", name="name")
    assert (name["maxlength"], "required" in name, name.attributes.get("value")) == ("100", False, None)
    assert form.described(name) == "Helps you to find it again. Without one it gets date and time."
    assert form.one("a", class_="button")["href"] == rental.page


def test_a_named_backup_begins_and_the_order_page_says_so(rental, owner):
    answer = owner.post(rental.create_page, {"name": " before the update "})
    backup = Backup.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, rental.page)
    assert (backup.name, backup.status) == ("before the update", BackupStatus.CREATING)
    assert backup.operation.requested_by == rental.owner
    page = owner.get(rental.page)
    assert notices(page) == ["“before the update” was started. You can leave this page, it goes on by itself."]
    row = read(page).one(id=f"backup-{backup.id}")
    assert "Waiting for a worker" in row.text
    assert notices(owner.get(rental.page)) == []


@pytest.mark.parametrize("name", ["", "   ", "\t"], ids=["empty", "spaces", "tab"])
def test_a_backup_without_a_name_gets_one(name, rental, owner):
    assert owner.post(rental.create_page, {"name": name}).status_code == 302
    assert Backup.objects.get().name.startswith("Backup 20")


@pytest.mark.parametrize("name", ["x" * 100, "🗺️ world", "\u200f\u05e9\u05dc", "../..", "100% {{ x }} %(name)s", "NULL"])
def test_a_name_is_kept_as_it_was_typed(name, rental, owner):
    assert owner.post(rental.create_page, {"name": name}).status_code == 302
    assert Backup.objects.get().name == name
    assert name in read(owner.get(rental.page)).one(id="backups").text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 101, TOO_LONG),
        ("a\nb", CONTROL),
        ("a\x07b", CONTROL),
        ("a\x7fb", CONTROL),
        ("a\u2028b", CONTROL),
        ("a\x00b", CONTROL),
    ],
    ids=ascii,
)
def test_invalid_name_is_reported_and_stays_in_the_form(name, said, rental, owner):
    answer = owner.post(rental.create_page, {"name": name, "key": "the key"})
    assert answer.status_code == 400
    form = form_of(answer)
    field = form.one("input", name="name")
    assert (field["value"], field["aria-invalid"]) == (name, "true")
    assert said in form.described(field)
    assert form.one(class_="error").text == said
    assert form.one("input", name="key")["value"] == "the key"
    assert not Backup.objects.exists()


def test_a_form_sent_twice_makes_one_backup(rental, owner):
    key = form_of(owner.get(rental.create_page)).one("input", name="key")["value"]
    answers = [owner.post(rental.create_page, {"name": "one", "key": key}) for _ in range(2)]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(302, rental.page)] * 2
    assert Backup.objects.count() == 1
    assert len(notices(owner.get(rental.page))) == 2


def test_each_form_has_a_key_of_its_own(rental, owner):
    keys = {form_of(owner.get(rental.create_page)).one("input", name="key")["value"] for _ in range(2)}
    assert len(keys) == 2


def test_form_from_the_history_with_another_name_is_a_new_request(rental, owner):
    """Going back restores the form's old key; new input is another request."""
    owner.post(rental.create_page, {"name": "one", "key": "old"})
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=Operation.objects.get().created_at, fence=1)
    assert owner.post(rental.create_page, {"name": "two", "key": "old"}).status_code == 302
    assert owner.post(rental.create_page, {"name": "one", "key": "old"}).status_code == 302
    assert set(Backup.objects.values_list("name", flat=True)) == {"one", "two"}


@pytest.mark.parametrize("fields", [{}, {"key": ""}])
def test_a_form_without_a_key_is_another_each_time(fields, rental, owner):
    for _ in range(2):
        assert owner.post(rental.create_page, fields).status_code == 302
        Operation.objects.all().delete()
    assert Backup.objects.count() == 2


@pytest.mark.parametrize("key", ["x" * 5000, "ü", "a\nb", "\x00"], ids=ascii)
def test_any_key_will_do(key, rental, owner):
    for _ in range(2):
        assert owner.post(rental.create_page, {"name": "one", "key": key}).status_code == 302
    assert Backup.objects.count() == 1


def test_a_key_is_one_persons(rental, owner):
    member = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.CREATE.value).user
    owner.post(rental.create_page, {"name": "one", "key": "same"})
    answer = browser_of(member).post(rental.create_page, {"name": "one", "key": "same"})
    assert answer.status_code == 409
    assert "A backup is being created." in form_of(answer).text
    assert Backup.objects.count() == 1


def test_missing_create_right_is_shown_in_the_form(rental):
    member = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.VIEW.value).user
    answer = browser_of(member).post(rental.create_page, {"name": "mine"})
    assert answer.status_code == 403
    assert "your rights do not include this action" in form_of(answer).one(class_="bad").text
    assert not Backup.objects.exists()


def test_the_form_of_an_order_without_a_server_can_be_looked_at(rental, owner):
    rental.order.provisions.all().delete()
    assert owner.get(rental.create_page).status_code == 200
