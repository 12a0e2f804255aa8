"""Reasons why an action is not possible: beside the button and in the form, in words and never by an id."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from backups import kinds
from backups.errors import OperationInProgress
from backups.models import Backup
from backups.web.rows import why_not
from common.errors import ApplicationError, PermissionDenied
from operations.models import Operation
from tests.factories import OperationFactory
from tests.web.backups.reading import hx, read

UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}", re.IGNORECASE)


def create_button(rental, browser):
    page = read(browser.get(rental.page))
    button = page.one(id="create")
    return button, page.described(button) if "aria-describedby" in button else ""


def test_the_button_leads_to_the_form(rental, owner):
    button, why = create_button(rental, owner)
    assert (button.tag, button["href"], why) == ("a", rental.create_page, "")


def test_work_that_excludes_nothing_is_in_nobodys_way(rental, owner):
    backup = rental.stored()
    OperationFactory(order=rental.order, kind=kinds.DELETE.name, state="running", subject=backup)
    page = read(owner.get(rental.page))
    assert [page.one(id=name).tag for name in ("create", f"restore-{backup.id}", f"delete-{backup.id}")] == ["a"] * 3


def limit(rental):
    rental.order.plan.backup_limit = 1
    rental.order.plan.save()
    rental.stored()


def without_backups(rental):
    rental.order.plan.has_backups = False
    rental.order.plan.save()


REFUSALS = {
    "limit": (limit, "Your plan keeps 1 backup of this server, and it exists."),
    "creating": (lambda rental: rental.begun(), "A backup is being created. This is possible again when it has ended."),
    "reinstalling": (
        lambda rental: OperationFactory(order=rental.order, kind=kinds.REPROVISION.name, state="running"),
        "The server is being reinstalled. This is possible again when it has ended.",
    ),
    "no sidecar": (
        lambda rental: rental.order.provisions.filter(kind="sidecar").delete(),
        "This server has no backup agent yet",
    ),
    "no server": (
        lambda rental: rental.order.provisions.all().delete(),
        "Only the main game server of an order can be backed up.",
    ),
    "plan": (without_backups, "The plan of this order has no backups."),
    "suspended": (lambda rental: rental.suspend(), "This order is suspended."),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_disabled_button_has_its_reason_beside_it_and_in_the_form(case, rental, owner):
    arrange, reason = REFUSALS[case]
    arrange(rental)
    button, why = create_button(rental, owner)
    assert button.tag == "button"
    assert "disabled" in button
    assert why.startswith(reason)
    before = Backup.objects.count()
    answer = owner.post(rental.create_page, {"name": "typed before"})
    assert answer.status_code == 409
    form = read(answer).one("form", class_="form")
    assert form.one(class_="bad").text == why
    assert form.one("input", name="name")["value"] == "typed before"
    assert Backup.objects.count() == before


def test_backups_of_a_suspended_order_can_be_downloaded(rental, owner):
    backup = rental.stored()
    rental.suspend()
    page = read(owner.get(rental.page))
    assert page.one("h1").text.endswith("Suspended")
    assert page.one(id=f"download-{backup.id}").tag == "a"
    refused = page.one(id=f"restore-{backup.id}")
    assert refused["aria-disabled"] == "true"
    assert "suspended" in page.described(refused)
    assert not page.has(id=f"rename-{backup.id}")


def test_a_locked_backup_says_why_it_cannot_be_deleted(rental, owner):
    backup = rental.stored(locked=True)
    page = read(owner.get(rental.page))
    refused = page.one(id=f"delete-{backup.id}")
    assert refused["aria-disabled"] == "true"
    assert page.described(refused).startswith("This backup is locked against deletion.")


@pytest.mark.parametrize("kind", [*(kind.name for kind in kinds.KINDS), None])
def test_running_operation_is_described_by_its_kind(kind):
    error = OperationInProgress(operation=str(uuid4()))
    # None: it ended between the refusal and the query for it.
    active = Operation(kind=kind) if kind else None
    said = why_not(error, active)
    assert said.endswith("This is possible again when it has ended.")
    assert not UUID.search(said)


def test_every_other_refusal_is_reported_by_its_own_sentence():
    running = Operation(kind=kinds.CREATE.name)
    assert why_not(PermissionDenied(), running) == PermissionDenied().detail


def test_no_sentence_of_the_product_but_one_names_an_id():
    """This package relies on it: programs get an id only of running operations."""
    naming = {code for code, error in ApplicationError.by_code.items() if "%(operation)s" in str(error.message)}
    assert naming == {"operation_in_progress"}


@pytest.mark.parametrize("headers", [{}, hx()], ids=["plain", "script"])
def test_a_button_that_came_too_late_names_no_id_either(headers, rental, owner):
    failed = rental.failed()
    rental.begun()
    answer = owner.post(rental.at(failed, "retry/"), headers=headers)
    page = read(answer if headers else owner.get(answer["Location"]))
    said = page.one(id="messages").one(class_="bad").text
    assert said == "A backup is being created. This is possible again when it has ended."
