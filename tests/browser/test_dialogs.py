"""The dialogs: by keyboard, with invalid input, after changes elsewhere, and clicked twice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import DESKTOP
from tests.browser.pages import row, tab_to

NAME = "Nightly"
OPENERS = {
    "create": ("Create backup", "Create a backup"),
    "rename": (f"Rename “{NAME}”", "Name, notes and tags"),
    "delete": ("Delete", "Delete this backup?"),
}


@pytest.fixture
def rented(house):
    return house.rent()


def opener(page: Page, which: str) -> Locator:
    return page.get_by_role("main").get_by_role("link", name=OPENERS[which][0], exact=True)


def opened(page: Page, which: str) -> Locator:
    """The dialog, opened with Enter."""
    tab_to(page, opener(page, which))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=OPENERS[which][1])
    expect(dialog).to_be_visible()
    return dialog


def focus_is_in(page: Page, part: Locator) -> bool:
    return bool(part.evaluate("part => part.contains(document.activeElement)"))


@pytest.mark.parametrize("which", OPENERS)
def test_dialog_opens_with_enter_and_returns_the_focus_on_escape(which, house, rented, visit):
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    dialog = opened(page, which)
    assert focus_is_in(page, dialog)
    reached = set()
    for _ in range(10):
        page.keyboard.press("Tab")
        # Between the last element and the first one, the browser itself has the focus.
        reached.add(page.evaluate("document.activeElement.closest('dialog, body').localName"))
    assert reached <= {"dialog", "body"}
    assert "dialog" in reached
    assert not page.evaluate("document.getElementById('main').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener(page, which)).to_be_focused()


@pytest.mark.parametrize("which", OPENERS)
def test_a_dialog_is_left_by_its_own_buttons(which, house, rented, visit):
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    for leave in (
        page.get_by_role("dialog").get_by_role("link"),
        page.get_by_role("dialog").get_by_role("button", name="Close"),
    ):
        dialog = opened(page, which)
        leave.click()
        expect(dialog).to_be_hidden()
        expect(opener(page, which)).to_be_focused()
    assert page.url.endswith(rented.path)


@pytest.mark.parametrize("which", ["create", "rename"])
def test_invalid_input_stays_and_gets_the_focus(which, house, rented, visit):
    visit.expects("status of 400")
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    dialog = opened(page, which)
    field = dialog.get_by_role("textbox", name="Name")
    expect(field).to_be_focused()
    field.fill("Line one\tline two")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("A name has no control characters and no line breaks.")).to_be_visible()
    expect(field).to_have_value("Line one\tline two")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    described = page.locator(f"#{(field.get_attribute('aria-describedby') or '').split()[-1]}")
    expect(described).to_contain_text("A name has no control characters")


def test_a_name_that_is_missing_is_asked_for(house, rented, visit):
    visit.expects("status of 400")
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    dialog = opened(page, "rename")
    dialog.get_by_role("textbox", name="Name").fill("")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("This field is required.")).to_be_visible()
    expect(dialog.get_by_role("textbox", name="Name")).to_be_focused()


def test_a_rename_is_seen_at_once_and_gives_the_focus_back(house, rented, visit):
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    dialog = opened(page, "rename")
    expect(dialog.get_by_role("textbox", name="Name")).to_have_value(NAME)
    dialog.get_by_role("textbox", name="Name").fill("Before the raid")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(row(page, "Before the raid")).to_be_visible()
    expect(page.get_by_text("The backup is called “Before the raid” now.").first).to_be_visible()
    expect(page.get_by_role("link", name="Rename “Before the raid”")).to_be_focused()


def test_a_delete_moves_the_focus_to_the_list_that_is_left(house, rented, visit):
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    dialog = opened(page, "delete")
    tab_to(page, dialog.get_by_role("button", name="Delete backup"))
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(row(page, NAME)).to_have_count(0)
    expect(page.locator(":is(h1, h2):focus")).to_have_count(1)


def test_a_lock_forbids_the_delete_and_says_so(house, rented, visit):
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    tab_to(page, page.get_by_role("button", name=f"Lock “{NAME}” against deletion"))
    page.keyboard.press("Enter")
    unlock = page.get_by_role("button", name=f"Unlock “{NAME}”")
    expect(unlock).to_be_focused()
    expect(row(page, NAME).get_by_text("Locked", exact=True)).to_be_visible()

    refused = row(page, NAME).get_by_role("button", name="Delete", exact=True)
    expect(refused).to_have_attribute("aria-disabled", "true")
    expect(refused).to_have_accessible_description(
        "This backup is locked against deletion. Nothing was changed. Unlock it first."
    )
    refused.click(force=True)
    expect(page.get_by_text("locked against deletion").last).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)

    tab_to(page, unlock)
    page.keyboard.press("Space")
    expect(row(page, NAME).get_by_role("link", name="Delete", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=f"Lock “{NAME}” against deletion")).to_be_focused()


def test_a_limit_that_was_reached_meanwhile_is_said_in_the_dialog(house, visit):
    visit.expects("status of 409")
    rented = house.rent(limit=1)
    page = visit(rented.owner, rented.path)
    dialog = opened(page, "create")
    dialog.get_by_role("textbox", name="Name").fill("One too many")
    house.backup(rented, NAME)
    page.keyboard.press("Enter")
    said = dialog.get_by_role("alert")
    expect(said).to_have_text(
        "Your plan keeps 1 backup of this server, and it exists. Nothing was changed. Delete it first."
    )
    expect(said).to_be_focused()
    expect(dialog.get_by_role("textbox", name="Name")).to_have_value("One too many")
    page.keyboard.press("Escape")
    expect(row(page, NAME)).to_be_visible()
    expect(page.get_by_role("button", name="Create backup")).to_be_disabled()


@pytest.mark.parametrize("when", ["before the dialog opens", "while the dialog is open"])
def test_a_backup_that_was_deleted_in_another_tab_is_said_to_be_gone(when, house, rented, visit):
    visit.expects("status of 404")
    house.backup(rented, NAME)
    page = visit(rented.owner, rented.path)
    other = page.context.new_page()
    other.goto(rented.path)
    if when == "while the dialog is open":
        opener(page, "delete").click()
    opener(other, "delete").click()
    other.get_by_role("button", name="Delete backup").click()
    expect(row(other, NAME)).to_have_count(0)

    if when == "while the dialog is open":
        page.get_by_role("button", name="Delete backup").click()
    else:
        opener(page, "delete").click()
    dialog = page.get_by_role("dialog", name="Backup not found")
    expect(dialog.get_by_role("alert")).to_have_text("There is no such backup, or it was deleted.")
    expect(dialog.get_by_role("alert")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row(page, NAME)).to_have_count(0)
    expect(page.get_by_role("heading", name=rented.name)).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_double_click_makes_one_backup(scripts, house, rented, visit):
    page = visit(rented.owner, rented.path, **DESKTOP, java_script_enabled=scripts)
    page.get_by_role("link", name="Create backup", exact=True).click()
    page.get_by_role("textbox", name="Name").fill(NAME)
    page.get_by_role("button", name="Create backup", exact=True).dblclick()
    expect(page.get_by_text(f"“{NAME}” was started.").first).to_be_visible()
    page.goto(rented.path)
    expect(row(page, NAME)).to_have_count(1)
    expect(page.get_by_text("1 of 10 backups")).to_be_visible()
