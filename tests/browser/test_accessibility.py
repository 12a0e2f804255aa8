"""axe-core on every page, on a desktop and a phone; motion, and pages without scripts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import COLOURS, violations, violations_in_both_themes
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.pages import Clock, row, sign_in
from tests.browser.places import HELD

SCREENS = pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])


@SCREENS
def test_axe_finds_nothing_on_any_page(screen, furnished, visit):
    visit.expects("status of 404")
    pages = {person: visit(person, **screen) for person in furnished.people}
    found = {}
    for name, person, path in furnished.all:
        page = pages[person]
        page.goto(path)
        assert page.url.endswith(path), f"{name} led elsewhere: {page.url}"
        # A phone shows the colours of a desktop, and `test_contrast` measures both themes.
        if lines := violations(page, without=COLOURS if screen is PHONE else []):
            found[name] = lines
    assert found == {}


@SCREENS
def test_axe_finds_nothing_in_the_dialogs(screen, house, visit):
    visit.expects("status of 40[09]", "status of 404")
    rented = house.rent(limit=2)
    house.backup(rented, "Nightly")
    token = house.do("token", username=rented.owner.username, name="Discord bot")
    page = visit(rented.owner, rented.path, **screen)
    found = {}

    def look(name: str) -> None:
        expect(page.get_by_role("dialog")).to_be_visible()
        if lines := violations_in_both_themes(page):
            found[name] = lines

    page.get_by_role("link", name="Rename “Nightly”").click()
    look("rename")
    page.get_by_role("textbox", name="Name").fill("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    look("rename, with an error")
    page.keyboard.press("Escape")
    row(page, "Nightly").get_by_role("link", name="Delete", exact=True).click()
    look("delete")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Create backup", exact=True).click()
    look("create")
    house.backup(rented, "Meanwhile")
    page.get_by_role("button", name="Create backup", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    look("create, limit reached")
    page.goto("/account/tokens/")
    page.get_by_role("link", name="Revoke Discord bot").click()
    look("revoke a token")
    assert token
    assert found == {}


@SCREENS
def test_axe_finds_nothing_on_the_way_through_the_forms(screen, house, furnished, visit):
    """States that appear only after input."""
    found = {}

    def look(page: Page, name: str) -> None:
        if lines := violations(page):
            found[name] = lines

    page = visit(path="/accounts/login/", **screen)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This field is required.").first).to_be_visible()
    look(page, "sign in, with errors")
    sign_in(page, furnished.person)
    expect(page.get_by_label("Code")).to_be_visible()
    look(page, "the second factor")
    page.goto(house.do("reset_path", username=furnished.newcomer.username))
    expect(page.get_by_label("New password", exact=True)).to_be_visible()
    look(page, "another password")

    page = visit(furnished.newcomer, "/account/tokens/", **screen)
    page.get_by_role("textbox", name="Name").fill("Backup script")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("heading", name="Your new token")).to_be_visible()
    look(page, "a new token")

    rented = house.rent()
    backup = house.backup(rented, "Nightly")
    page = visit(rented.owner, rented.backup(backup, "restore/"), **screen)
    look(page, "restore, remove")
    page.get_by_text("More choices").click()
    page.get_by_role("radio", name="Keep them").check()
    page.get_by_role("checkbox", name="Keep no copy of what is there now").check()
    expect(page.get_by_role("textbox", name="type the name of the server")).to_be_hidden()
    look(page, "restore, keep")
    page.get_by_role("radio", name="Remove them").check()
    expect(page.get_by_role("textbox", name="type the name of the server")).to_be_visible()
    look(page, "restore, remove for good")
    visit.expects("status of 400")
    page.get_by_role("button", name="Restore backup").click()
    expect(page.get_by_text("This is not the name of the server. Nothing was changed.")).to_be_visible()
    expect(page.get_by_role("textbox", name="type the name of the server")).to_be_focused()
    look(page, "restore, the wrong name")
    page.locator("#account-menu summary").click()
    look(page, "the menu")
    assert found == {}


def test_animations_stop_with_reduced_motion(house, visit):
    rented = house.rent()
    house.hold(rented, "Nightly")
    moving = visit(rented.owner, rented.path, reduced_motion="no-preference")
    assert moving.evaluate("document.getAnimations().length") > 0
    calm = visit(rented.owner, rented.path)
    row(calm, "Nightly").get_by_role("link", name="Rename “Nightly”").click()
    expect(calm.get_by_role("dialog")).to_be_visible()
    assert calm.evaluate("document.getAnimations().length") == 0


def test_an_icon_is_never_read_out(furnished, visit):
    page = visit(furnished.person, furnished.order.path)
    named = page.locator("svg:not([aria-hidden=true], [role=img][aria-label])")
    expect(page.locator("svg").first).to_be_attached()
    expect(named).to_have_count(0)


@pytest.mark.parametrize("name", ["order", "orders", "backup, ready", "tokens", "restore, not now"])
def test_the_first_paint_without_scripts_is_whole_and_has_no_dead_button(name, furnished, visit):
    page = visit(furnished.person, furnished.places[name], **DESKTOP, java_script_enabled=False)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    dead = page.locator("button[type=button]:not([aria-disabled=true], :disabled)")
    assert [button.inner_text() for button in dead.all() if button.is_visible()] == []
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_new_token_without_scripts_has_no_dead_button(house, visit):
    page = visit(house.person(), "/account/tokens/", **DESKTOP, java_script_enabled=False)
    page.get_by_role("textbox", name="Name").fill("Backup script")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("heading", name="Your new token")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)


def test_progress_is_told_at_most_every_five_seconds(house, visit):
    rented = house.rent()
    backup = house.hold(rented, "Nightly", **{**HELD, "bytes_done": 0})
    page = visit(rented.owner)
    clock = Clock(page, rented.path)
    page.evaluate("""() => {
      window.told = [];
      new MutationObserver(() => told.push([Date.now(), announcer.textContent])).observe(announcer, {childList: true});
    }""")
    for percent in (10, 20, 30, 40, 50):
        house.do("progress", backup=backup, bytes_done=HELD["bytes_total"] * percent // 100)
        assert clock.until_answer(rented.polled) == 200
    clock.passes(10)
    told = page.evaluate("told")
    assert "50" in told[-1][1]
    assert 2 <= len(told) < 5
    assert all(later - earlier >= 5000 for (earlier, _), (later, _) in pairwise(told))
