"""Notes, tags and filters on the pages, and one action on the backups that were chosen."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages

from backups.models import Backup
from orders.rights import OrderRight
from tests.factories import OrderUserPermissionFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of


@pytest.fixture
def kept(rental):
    return [
        rental.stored(name="Plain", tags=["update"], notes="Java 21"),
        rental.stored(name="Second"),
        rental.stored(name="Golden", locked=True),
    ]


def chosen(rental, browser, backups, action, **more):
    return browser.post(f"{rental.page}backups/bulk/", {"ids": [b.id for b in backups], "action": action, **more})


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def names(answer):
    return [link.text for link in read(answer).all("a", class_="row-link")]


def test_each_row_has_a_box_of_the_form_that_acts_on_several(rental, owner, kept):
    page = read(owner.get(rental.page))
    boxes = page.all("input", type="checkbox", name="ids")
    assert [box["value"] for box in boxes] == [str(backup.id) for backup in reversed(kept)]
    assert {box["form"] for box in boxes} == {"bulk"}
    assert page.one(id="bulk")["action"] == f"{rental.page}backups/bulk/"
    assert [button["value"] for button in page.one(id="bulk").all("button")] == ["lock", "unlock", "tag", "delete"]


def test_who_may_not_delete_has_no_boxes(rental, kept):
    guest = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.CREATE.value).user
    page = read(browser_of(guest).get(rental.page))
    assert not page.has(id="bulk")
    assert not page.all("input", type="checkbox")
    assert chosen(rental, browser_of(guest), kept, "lock").status_code == 403
    assert Backup.objects.filter(locked=True).count() == 1


def test_deleting_asks_first_and_names_them(rental, owner, kept):
    Backup.objects.filter(id=kept[0].id).update(unique_bytes=3 << 20)
    Backup.objects.filter(id=kept[1].id).update(format="repository")
    Backup.objects.filter(id=kept[2].id).update(unique_bytes=9 << 20)
    asked = read(chosen(rental, owner, kept, "delete"))
    assert asked.one("h1").text == "Delete 2 backups?"
    assert "at least 3 MiB of storage" in asked.one(id="freed").text
    listed = asked.one("ul", class_="plain-list").text
    assert all(backup.name in listed for backup in kept)
    assert "It is locked, and stays." in listed
    assert Backup.objects.filter(deleted_at=None).count() == 3
    answer = chosen(rental, owner, kept, "delete", sure="yes")
    assert answer.status_code == 302
    assert list(Backup.objects.filter(deleted_at=None)) == [kept[2]]
    told = said(answer)
    assert "2 backups were deleted." in told
    assert any("Golden" in sentence and "locked" in sentence for sentence in told)


def test_several_are_locked_and_unlocked_at_once(rental, owner, kept):
    answer = chosen(rental, owner, kept[:2], "lock")
    assert "2 backups are locked now." in said(answer)
    assert Backup.objects.filter(locked=True).count() == 3
    chosen(rental, owner, kept, "unlock")
    assert not Backup.objects.filter(locked=True).exists()


def test_several_are_tagged(rental, owner, kept):
    assert read(chosen(rental, owner, kept[:2], "tag")).one("h1").text == "Tag 2 backups"
    assert chosen(rental, owner, kept[:2], "tag", sure="yes", tags="a" * 50).status_code == 400
    answer = chosen(rental, owner, kept[:2], "tag", sure="yes", tags="event,  big world ")
    assert "2 backups were tagged." in said(answer)
    assert [backup.tags for backup in Backup.objects.order_by("created_at")] == [
        ["update", "event", "big world"], ["event", "big world"], [],
    ]  # fmt: skip


def test_nothing_chosen_is_told(rental, owner, kept):
    assert said(chosen(rental, owner, [], "delete")) == ["Choose at least one backup first."]
    assert chosen(rental, owner, kept, "burn").status_code == 400


def test_backups_of_another_order_are_not_touched(rental, owner, kept, tmp_path):
    other = type(rental).make(tmp_path / "other", is_default=False)
    strange = other.stored()
    chosen(rental, owner, [strange], "lock")
    assert not Backup.objects.get(id=strange.id).locked


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"tag": "update"}, ["Plain"]),
        ({"search": "java"}, ["Plain"]),
        ({"search": "second", "status": "ready"}, ["Second"]),
        ({"status": "failed"}, []),
        ({"schedule": "no id"}, ["Golden", "Second", "Plain"]),
        ({"schedule": "00000000-0000-4000-8000-000000000000"}, []),
    ],
)
def test_the_page_filters(rental, owner, kept, query, shown):
    assert names(owner.get(rental.page, query)) == shown


def test_the_filters_stay_together(rental, owner, kept):
    page = read(owner.get(rental.page, {"tag": "update", "search": "java"}))
    assert page.one(id="filter-2")["href"] == f"{rental.page}?status=ready&tag=update&search=java"
    assert page.one(id="search")["value"] == "java"
    assert [option.text for option in page.one(id="tag").all("option", selected="")] == ["update"]
    assert "tag=update" in page.one(id="backups")["hx-get"]
    assert page.one("a", class_="tag")["href"] == f"{rental.page}?tag=update"


def test_notes_and_tags_are_edited_and_shown(rental, owner, kept):
    form = read(owner.get(rental.at(kept[0], "rename/")))
    assert form.one("input", name="tags")["value"] == "update"
    assert form.one("textarea", name="notes").text.strip() == "Java 21"
    fields = {"name": "Plain", "notes": "<b>one</b>\ntwo", "tags": "x, y"}
    assert owner.post(rental.at(kept[0], "rename/"), fields).status_code == 302
    page = owner.get(rental.at(kept[0]))
    assert "&lt;b&gt;one&lt;/b&gt;<br>two" in page.content.decode()
    assert [link.text for link in read(page).all("a", class_="tag")] == ["Tag x", "Tag y"]
    # A program that sends the name alone changes nothing else.
    owner.post(rental.at(kept[0], "rename/"), {"name": "New"})
    assert Backup.objects.get(id=kept[0].id).tags == ["x", "y"]


def test_a_new_backup_takes_notes_and_tags(rental, owner):
    assert owner.post(f"{rental.page}backups/create/", {"notes": "why", "tags": "a, b"}).status_code == 302
    made = Backup.objects.get()
    assert (made.notes, made.tags) == ("why", ["a", "b"])
    refused = owner.post(f"{rental.page}backups/create/", {"tags": "x" * 41})
    assert refused.status_code == 400


def test_a_suspended_order_has_no_boxes(rental, kept):
    rental.suspend()
    assert not read(browser_of(rental.owner).get(rental.page)).has(id="bulk")
