"""Text of users is shown as typed: as plain text, everywhere, and without reversing the words around it."""

from __future__ import annotations

import pytest

from backups.models import Backup
from common.names import name_allowed
from tests.factories import OperationBackupFactory, OperationFactory
from tests.web.backups.reading import hx, read

TURN = "\u202e"
"""Shows the text after it from right to left, up to the end of its line or isolate."""

NASTY = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "</title></bdi></td><b>&amp;&lt;",
    "{{ 7|add:7 }}{% now %} 100%% %(name)s",
    f"cba{TURN}gpj.exe",
    "\u2066\u202d&\u2069",
]
QUIET = {"bdi", "title", "code"}
"""Elements that isolate text direction, and the title, which stands alone."""


@pytest.fixture(params=NASTY, ids=ascii)
def nasty(request):
    return request.param


@pytest.fixture
def looks(nasty, rental, owner):
    """Every page and part with such texts, in each state of a backup."""
    server, person = rental.order, rental.owner
    for row, column in ((server, "name"), (server.plan, "name"), (server.customer, "name"), (rental.server, "name")):
        setattr(row, column, nasty)
        row.save()
    person.username = person.name = nasty
    person.save()
    ready = rental.stored(warnings=[{"kind": "changed", "path": nasty}], warnings_total=1)
    done = OperationFactory(order=server, kind="delete", requested_by=person)
    OperationBackupFactory(backup=ready, operation=done)
    backups = [ready, rental.failed(), rental.begun(phase=nasty[:32])]
    Backup.objects.update(name=nasty)
    pages = ["/", "/?q=nothing" + "%3Cscript%3E", rental.page, f"{rental.page}activity/", rental.create_page]
    pages += [rental.at(backup) for backup in backups]
    pages += [rental.at(ready, what) for what in ("rename/", "delete/", "restore/")]
    parts = [
        rental.region,
        rental.at(ready, "detail/"),
        rental.create_page,
        rental.at(ready, "rename/"),
        rental.at(ready, "delete/"),
    ]
    answers = [owner.get(path) for path in pages]
    answers += [owner.get(path, headers=hx(target="dialog-body")) for path in parts]
    assert {answer.status_code for answer in answers} == {200}
    return [read(answer) for answer in answers]


def test_a_text_is_text_on_every_page(nasty, looks):
    for page in looks:
        assert not page.has("img")
        assert not page.has("b")
        assert all("src" in script for script in page.all("script"))
        # The attribute names of this project: no quote in a value began another one.
        assert all(name.replace("-", "").isalnum() for node in page.walk() for name in node.attributes)
        assert not any(name.startswith("on") for node in page.walk() for name in node.attributes)
    # Each page except the search shows the order's full name.
    assert sum(nasty in "".join(page._texts()) for page in looks) >= len(looks) - 2


def test_a_text_that_runs_the_other_way_turns_nothing_else(nasty, looks):
    for page in looks:
        for node in page.walk():
            for text in node.children:
                if isinstance(text, str) and nasty in text:
                    around = [node, *node.within()]
                    unseen = any("visually-hidden" in part.attributes.get("class", "") for part in around)
                    assert unseen or any(part.tag in QUIET for part in around), (node.tag, text)


def test_a_name_in_a_message_and_in_a_field_is_as_it_was_typed(nasty, rental, owner):
    name = nasty.strip()
    answer = owner.post(rental.create_page, {"name": name}, follow=True)
    page = read(answer)
    assert not page.has("img")
    if name_allowed(name):
        assert f"“{name}” was started." in page.one(id="messages").text
        backup = Backup.objects.get()
    else:
        # It would reverse the text around it; one stored before the rule existed is isolated.
        assert answer.status_code == 400
        assert "no control characters" in page.text
        backup = rental.stored(name=name)
    answer = owner.post(rental.at(backup, "rename/"), {"name": f"{name}\x07"})
    assert read(answer).one("input", name="name")["value"] == f"{name}\x07"
    answer = owner.post(rental.at(backup, "lock/"), headers=hx(target="backups", current=rental.page))
    assert f"“{name}” is locked" in read(answer).one(id="messages").text


def test_search_term_is_shown_as_text(nasty, rental, owner):
    page = read(owner.get("/", {"q": f"{nasty} nothing"}))
    assert page.one("input", name="q")["value"] == f"{nasty} nothing"
    assert nasty in "".join(page.one(class_="empty")._texts())
    assert not page.has("img")


@pytest.mark.parametrize("query", ["status", "cursor", "version", "q"])
def test_query_string_never_becomes_part_of_a_page(query, rental, owner):
    for path in (rental.page, rental.region, "/", rental.create_page):
        answer = owner.get(path, {query: NASTY[0]})
        assert answer.status_code in (200, 400)
        assert "<script>alert" not in answer.content.decode()
