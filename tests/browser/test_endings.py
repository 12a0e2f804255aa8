"""The end of an operation, seen and heard: it replaces “was started”, in view, once, with the undo beside it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.hands import Finger, Mouse, WithoutScripts
from tests.browser.pages import Clock, row

IN_VIEW = """element => {
  const {top, bottom, left, right} = element.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth;
}"""
STARTED = "You can leave this page, it goes on by itself."


def notice(page):
    return page.locator("#messages").locator(".notice")


@pytest.mark.parametrize("way", [Mouse, Finger, WithoutScripts])
def test_end_takes_the_place_of_the_beginning(way, house, visit):
    """With the real parts: create, restore, undo."""
    rented = house.rent()
    page = visit(rented.owner, rented.path, **way.options)
    hand = way(page)

    def ends(words: str) -> None:
        expect(page).to_have_url(f"{house.url}{rented.path}")
        hand.watch(lambda timeout: expect(notice(page).filter(has_text=words)).to_be_visible(timeout=timeout))
        expect(notice(page)).to_have_count(1)
        expect(notice(page)).not_to_contain_text(STARTED)
        assert notice(page).evaluate(IN_VIEW)

    hand.press(page.get_by_role("link", name="Create backup", exact=True))
    hand.write(page.get_by_role("textbox", name="Name"), "Nightly")
    hand.press(page.get_by_role("button", name="Create backup", exact=True))
    ends("“Nightly” is ready.")
    page.goto(f"{rented.path}backups/{row(page, 'Nightly').get_attribute('id').removeprefix('backup-')}/restore/")
    hand.press(page.get_by_role("button", name="Restore backup"))
    ends("“Nightly” was restored.")
    hand.press(notice(page).get_by_role("link", name="Undo", exact=True))
    hand.press(page.get_by_role("button", name="Undo the restore"))
    ends("The restore of “Nightly” was undone.")
    page.reload()
    expect(row(page, "Nightly")).to_be_visible()
    expect(notice(page)).to_have_count(0)


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("error", ["", "storage_unavailable"], ids=["ready", "failed"])
def test_end_is_in_view_where_the_list_is_scrolled_to_its_row(error, screen, house, visit):
    rented = house.rent(limit=40)
    held = house.hold(rented, "Nightly")
    for number in range(12):
        house.backup(rented, f"Older {number}", hours=number + 2)
    page = visit(rented.owner, **screen)
    clock = Clock(page, rented.path)
    row(page, "Older 11").scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 0
    house.finish(held, error_code=error)
    assert clock.until_answer(rented.polled) == 200
    words = "could not be created." if error else "is ready."
    expect(notice(page)).to_contain_text(f"“Nightly” {words}")
    assert notice(page).evaluate(IN_VIEW)
    assert page.locator("#messages").get_attribute("role") == "status"
    expect(page.get_by_role("alert")).to_have_count(0)
    notice(page).get_by_role("button", name="Close").click()
    expect(notice(page)).to_have_count(0)


def test_end_is_heard_once(house, visit):
    rented = house.rent()
    held = house.hold(rented, "Nightly")
    page = visit(rented.owner)
    clock = Clock(page, rented.path)
    page.evaluate("""() => {
      window.told = [];
      new MutationObserver(() => told.push(announcer.textContent)).observe(announcer, {childList: true});
    }""")
    house.finish(held)
    assert clock.until_answer(rented.polled) == 200
    clock.passes(10)
    # The notice's live region announces it; the announcer does not repeat it.
    expect(page.locator("#messages[aria-live=polite]")).to_contain_text("“Nightly” is ready.")
    assert [text for text in page.evaluate("told") if "Nightly" in text] == []
