"""Polling: its start, its interval, and failed requests."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest
from playwright.sync_api import expect

from demo.client import Unreachable
from tests.browser.pages import Clock, requests_of, row, sign_in
from tests.processes.waiting import wait_until

NAME = "Nightly"
MIB = 1 << 20
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  Object.defineProperty(document, "visibilityState", {configurable: true, get: () => hidden ? "hidden" : "visible"});
  document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
}"""


@pytest.fixture
def rented(house):
    return house.rent()


def test_nothing_is_asked_while_nothing_happens(house, rented, visit):
    house.backup(rented, NAME)
    page = visit(rented.owner)
    asked = requests_of(page, rented.path)
    clock = Clock(page, rented.path)
    for _ in range(5):
        clock.passes(60)
    expect(row(page, NAME)).to_be_visible()
    assert [request.url for request in asked] == [f"{house.url}{rented.path}"]


def test_page_polls_every_three_seconds_while_an_operation_runs(house, rented, visit):
    backup = house.hold(rented, NAME, bytes_total=100 * MIB, bytes_done=10 * MIB)
    page = visit(rented.owner)
    asked = requests_of(page, f"{rented.path}backups/?")
    clock = Clock(page, rented.path)
    expect(row(page, NAME).get_by_role("progressbar")).to_have_attribute("value", "10")
    clock.passes(2.9)
    assert asked == []
    statuses = [clock.until_answer(rented.polled) for _ in range(3)]
    assert statuses == [204, 204, 204]

    house.do("progress", backup=backup, bytes_done=45 * MIB)
    assert clock.until_answer(rented.polled) == 200
    expect(row(page, NAME).get_by_role("progressbar")).to_have_attribute("value", "45")
    expect(row(page, NAME).get_by_text("45 MiB of 100 MiB")).to_be_visible()
    assert clock.until_answer(rented.polled) == 204

    house.finish(backup)
    assert clock.until_answer(rented.polled) == 200
    expect(row(page, NAME).get_by_text("Ready", exact=True)).to_be_visible()
    for _ in range(5):
        clock.passes(30)
    assert len(asked) == 6


def test_hidden_tab_does_not_poll_and_a_shown_one_polls_at_once(house, rented, visit):
    backup = house.hold(rented, NAME)
    page = visit(rented.owner)
    asked = requests_of(page, f"{rented.path}backups/?")
    clock = Clock(page, rented.path)
    assert clock.until_answer(rented.polled) == 204
    page.evaluate(HIDE, True)
    house.finish(backup)
    for _ in range(10):
        clock.passes(3)
    expect(row(page, NAME).get_by_text("Creating", exact=True)).to_be_visible()
    assert len(asked) == 1
    with page.expect_response(rented.polled) as answer:
        page.evaluate(HIDE, False)
    assert answer.value.status == 200
    expect(row(page, NAME).get_by_text("Ready", exact=True)).to_be_visible()
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("role", "name"),
    [("link", "Download"), ("button", "Lock “Older” against deletion"), ("link", "Older"), ("link", "Ready")],
)
def test_the_focus_survives_when_the_list_is_put_in_anew(role, name, house, rented, visit):
    house.backup(rented, "Older", hours=20)
    backup = house.hold(rented, NAME, bytes_total=100 * MIB)
    page = visit(rented.owner)
    clock = Clock(page, rented.path)
    held = page.get_by_role("main").get_by_role(role, name=name, exact=True)
    held.focus()
    held.evaluate("element => { element.old = true; }")
    house.do("progress", backup=backup, bytes_done=50 * MIB)
    assert clock.until_answer(rented.polled) == 200
    expect(row(page, NAME).get_by_role("progressbar")).to_have_attribute("value", "50")
    expect(held).to_be_focused()
    assert held.evaluate("element => element.old") is None


def test_focus_moves_to_the_name_of_the_row_when_its_button_goes(house, rented, visit):
    backup = house.hold(rented, NAME)
    page = visit(rented.owner)
    clock = Clock(page, rented.path)
    row(page, NAME).get_by_role("button", name="Cancel").focus()
    house.finish(backup)
    assert clock.until_answer(rented.polled) == 200
    expect(page.get_by_role("link", name=NAME, exact=True)).to_be_focused()


def test_signed_out_user_is_told_so_and_returns_to_the_page(house, visit):
    visit.expects("status of 401", "Response Status Error Code 401")
    rented = house.rent()
    house.hold(rented, NAME)
    page = visit(rented.owner)
    asked = requests_of(page, f"{rented.path}backups/?")
    clock = Clock(page, rented.path)
    house.do("session_end", session=rented.owner.session)
    assert clock.until_answer(rented.polled) == 401
    said = page.get_by_role("alert").filter(has_text="You have been signed out.")
    expect(said).to_be_visible()
    expect(row(page, NAME)).to_be_visible()
    for _ in range(5):
        clock.passes(3)
    assert len(asked) == 1
    page.clock.resume()
    said.get_by_role("link", name="Sign in").click()
    sign_in(page, rented.owner)
    expect(page).to_have_url(f"{house.url}{rented.path}")


def test_lost_connection_is_reported_until_it_is_back(house, rented, visit):
    visit.expects("ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest")
    house.hold(rented, NAME)
    page = visit(rented.owner)
    clock = Clock(page, rented.path)
    said = page.get_by_role("status").filter(has_text="Connection lost.")
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        clock.passes(3)
    expect(said).to_be_visible()
    page.context.set_offline(False)
    assert clock.until_answer(rented.polled) == 204
    expect(said).to_be_hidden()


def alive(house) -> bool:
    with suppress(Unreachable):
        return house.portal.api("GET", "/livez").status == 200
    return False


def test_a_server_that_is_away_is_waited_for(house, rented, visit):
    visit.expects(
        "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "htmx:sendError", "htmx:afterRequest"
    )
    backup = house.hold(rented, NAME)
    page = visit(rented.owner)
    clock = Clock(page, rented.path)
    said = page.get_by_role("status").filter(has_text="Connection lost.")
    house.portal.kill("web")
    try:
        with page.expect_event("requestfailed"):
            clock.passes(3)
        expect(said).to_be_visible()
        house.finish(backup)
    finally:
        house.portal.children["web"].start()
        wait_until(lambda: alive(house), seconds=60, what="the web server answers")
    assert clock.until_answer(rented.polled) == 200
    expect(said).to_be_hidden()
    expect(row(page, NAME).get_by_text("Ready", exact=True)).to_be_visible()


def test_failure_of_the_server_is_reported_until_it_answers_again(house, rented, visit):
    visit.expects("status of 500", "Response Status Error Code 500")
    house.hold(rented, NAME)
    page = visit(rented.owner)
    clock = Clock(page, rented.path)
    said = page.get_by_role("alert").filter(has_text="Something went wrong on our side.")
    page.route(rented.polled, lambda route: route.fulfill(status=500, body="<h1>Server Error</h1>"), times=1)
    assert clock.until_answer(rented.polled) == 500
    expect(said).to_be_visible()
    expect(row(page, NAME)).to_be_visible()
    assert clock.until_answer(rented.polled) == 204
    expect(said).to_be_hidden()


def test_change_in_one_tab_appears_in_the_other_when_shown(house, rented, visit):
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    page.evaluate(HIDE, True)
    other = page.context.new_page()
    other.goto(rented.path)
    other.get_by_role("button", name=f"Lock “{NAME}” against deletion").click()
    expect(other.get_by_role("button", name=f"Unlock “{NAME}”")).to_be_visible()
    page.evaluate(HIDE, False)
    expect(page.get_by_role("button", name=f"Unlock “{NAME}”")).to_be_visible()


def test_page_of_a_backup_deleted_elsewhere_leads_to_the_order(house, rented, visit):
    backup = house.backup(rented, NAME)
    page = visit(rented.owner, rented.backup(backup))
    page.evaluate(HIDE, True)
    other = page.context.new_page()
    other.goto(rented.path)
    row(other, NAME).get_by_role("link", name="Delete").click()
    other.get_by_role("button", name="Delete backup").click()
    expect(row(other, NAME)).to_have_count(0)
    page.evaluate(HIDE, False)
    expect(page).to_have_url(f"{house.url}{rented.path}")
    expect(page.get_by_role("heading", name=rented.name)).to_be_visible()


def test_operation_with_a_stopped_sidecar_continues_afterwards(house, rented, visit):
    """With the real parts: the sidecar stands still, the page keeps polling, and the backup becomes ready."""
    page = visit(rented.owner, rented.path)
    house.portal.kill("sidecar", signal.SIGSTOP)
    try:
        page.get_by_role("link", name="Create backup", exact=True).click()
        page.get_by_role("textbox", name="Name").fill(NAME)
        page.get_by_role("button", name="Create backup", exact=True).click()
        with page.expect_response(rented.polled):
            expect(row(page, NAME).get_by_text("Creating", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Create backup")).to_have_accessible_description(
            "A backup is being created. This is possible again when it has ended."
        )
    finally:
        house.portal.kill("sidecar", signal.SIGCONT)
    expect(row(page, NAME).get_by_text("Ready", exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("link", name="Create backup", exact=True)).to_be_visible()
