"""The restore page: the backup, the server it goes to, and the name to type before files are removed."""

from __future__ import annotations

import pytest

from backups import kinds
from backups.models import BackupStatus
from operations.models import Operation
from orders.rights import OrderRight
from tests.factories import OrderUserPermissionFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of


def form_of(answer):
    return read(answer).one("form", class_="form")


@pytest.fixture
def server(rental):
    rental.order.name = "Größe  Nord"
    rental.order.save()
    return rental


def test_page_names_the_backup_and_the_server(server, owner):
    backup = server.stored(name="before the update")
    page = read(owner.get(server.at(backup, "restore/")))
    facts = page.one("dl", class_="facts")
    values = dict(zip((name.text for name in facts.all("dt")), (value.text for value in facts.all("dd")), strict=True))
    assert (values["Backup"], values["Size"]) == ("before the update", "23 bytes")
    assert values["Onto the server"] == "Größe Nord"
    form = page.one("form", class_="form")
    assert (form["method"], form["action"]) == ("post", server.at(backup, "restore/"))
    chosen = [radio["value"] for radio in form.all("input", type="radio") if "checked" in radio]
    assert chosen == ["replace"]
    assert "disabled" not in form.one("button")
    assert not form.has(class_="why")


def test_overlay_needs_no_typed_name(server, owner):
    backup = server.stored(name="one")
    answer = owner.post(server.at(backup, "restore/"), {"mode": "overlay"})
    assert (answer.status_code, answer["Location"]) == (302, server.page)
    backup.refresh_from_db()
    assert (backup.status, backup.operation.kind) == (BackupStatus.RESTORING, kinds.RESTORE.name)
    assert backup.operation.params == {"mode": "overlay", "safety": True, "server": "auto"}
    said = read(owner.get(server.page)).one(id="messages").text
    assert said == "The restore of “one” was started. You can leave this page, it goes on by itself."


@pytest.mark.parametrize(
    "typed", ["Größe  Nord", "größe nord", "GRÖSSE NORD", " Größe Nord ", "Gro\u0308ße\u00a0Nord"], ids=ascii
)
def test_removing_for_good_takes_the_name_however_it_is_written(typed, server, owner):
    backup = server.stored()
    asked = {"mode": "replace", "server": typed, "without_safety": "on"}
    answer = owner.post(server.at(backup, "restore/"), asked)
    assert answer.status_code == 302
    assert Operation.objects.get().params["mode"] == "replace"


def test_restore_that_can_be_taken_back_needs_no_name(server, owner):
    page = read(owner.get(server.at(server.stored(), "restore/")))
    assert "details" in [node.tag for node in page.one("input", name="server").within()]
    answer = owner.post(server.at(server.stored(), "restore/"), {"mode": "replace"})
    assert answer.status_code == 302
    params = Operation.objects.get().params
    assert (params["mode"], params["safety"]) == ("replace", True)


def test_plan_without_safety_backups_always_asks_for_the_name(server, owner):
    server.order.plan.safety_hours = 0
    server.order.plan.save()
    backup = server.stored()
    form = form_of(owner.get(server.at(backup, "restore/")))
    assert "type the name of the server" in form.text
    assert not form.has("input", name="without_safety")
    answer = owner.post(server.at(backup, "restore/"), {"mode": "replace"})
    assert answer.status_code == 400
    assert not Operation.objects.exists()
    answer = owner.post(server.at(backup, "restore/"), {"mode": "replace", "server": "größe nord"})
    assert answer.status_code == 302


@pytest.mark.parametrize("typed", ["", "Größe", "Größe Nord 2", "GrößeNord", "World", "\x00"], ids=ascii)
def test_another_name_changes_nothing_and_is_reported(typed, server, owner):
    backup = server.stored()
    answer = owner.post(
        server.at(backup, "restore/"), {"mode": "replace", "server": typed, "key": "k", "without_safety": "on"}
    )
    assert answer.status_code == 400
    form = form_of(answer)
    field = form.one("input", name="server")
    assert (field["aria-invalid"], field.attributes.get("value", "")) == ("true", typed)
    assert "This is not the name of the server. Nothing was changed." in form.described(field)
    assert "checked" in form.one("input", value="replace")
    assert form.one("input", name="key")["value"] == "k"
    assert not Operation.objects.exists()


@pytest.mark.parametrize("mode", [None, "", "merge", "Replace"])
def test_a_mode_that_there_is_not_restores_nothing(mode, server, owner):
    backup = server.stored()
    answer = owner.post(server.at(backup, "restore/"), {"mode": mode} if mode is not None else {})
    assert answer.status_code == 400
    assert not Operation.objects.exists()


def test_a_form_sent_twice_restores_once(server, owner):
    path = server.at(server.stored(), "restore/")
    key = form_of(owner.get(path)).one("input", name="key")["value"]
    answers = [owner.post(path, {"mode": "overlay", "key": key}) for _ in range(2)]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(302, server.page)] * 2
    assert Operation.objects.count() == 1


REFUSALS = {
    "failed": (lambda rental: rental.failed(), "This cannot be done while the backup is “Failed”."),
    "creating": (lambda rental: rental.begun(), "A backup is being created."),
    "work": (lambda rental: (rental.begun(), rental.stored())[1], "A backup is being created."),
    "suspended": (lambda rental: (rental.suspend(), rental.stored())[1], "This order is suspended."),
    "no sidecar": (
        lambda rental: (rental.order.provisions.filter(kind="sidecar").delete(), rental.stored())[1],
        "This server has no backup agent yet",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_impossible_restore_is_explained_before_and_after_the_request(case, rental, owner):
    arrange, reason = REFUSALS[case]
    backup = arrange(rental)
    operations = Operation.objects.count()
    form = form_of(owner.get(rental.at(backup, "restore/")))
    button = form.one("button")
    assert "disabled" in button
    assert form.described(button).startswith(reason)
    answer = owner.post(rental.at(backup, "restore/"), {"mode": "replace", "server": rental.order.name})
    assert answer.status_code == 409
    form = form_of(answer)
    assert form.one(class_="bad").text.startswith(reason)
    assert form.one("input", name="server")["value"] == rental.order.name
    assert "checked" in form.one("input", value="replace")
    assert Operation.objects.count() == operations


def test_missing_restore_right_is_shown_on_the_page(rental):
    backup = rental.stored()
    member = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.DOWNLOAD.value).user
    form = form_of(browser_of(member).get(rental.at(backup, "restore/")))
    assert "disabled" in form.one("button")
    assert "your rights do not include this action" in form.one(class_="why").text
