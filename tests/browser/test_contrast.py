"""Every control and text is readable in every state: hovered, focused, pressed, selected, disabled."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.contrast import contrasts_missed


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_of_everything_can_be_read(theme, furnished, visit):
    visit.expects("status of 404")
    people = furnished.people
    pages = {person: visit(person, color_scheme=theme) for person in people}
    found = {}
    for name, person, path in furnished.all:
        pages[person].goto(path)
        if missed := contrasts_missed(pages[person]):
            found[name] = missed
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("error", ["", "storage_unavailable"])
def test_words_about_the_end_can_be_read(error, theme, house, visit):
    rented = house.rent()
    held = house.hold(rented, "Nightly")
    page = visit(rented.owner, rented.path, color_scheme=theme)
    house.finish(held, error_code=error)
    page.reload()
    expect(page.locator("#messages .notice")).to_be_visible()
    assert contrasts_missed(page) == []


def test_a_primary_button_that_is_disabled_is_measured_under_the_pointer(house, visit):
    """Tests the measurement: a rule by which a button's hover overrides its disabled style is reported."""
    rented = house.rent()
    page = visit(rented.owner, rented.path)
    sheet = "**/savepoint/savepoint*.css"
    wrong = "\n.button.primary:hover { background: color-mix(in srgb, var(--fill), #000 14%); }"
    page.route(sheet, lambda route: route.fulfill(response=(got := route.fetch()), body=got.text() + wrong))
    page.reload()
    missed = contrasts_missed(page)
    assert [line for line in missed if ".button primary" in line and line.endswith("1.21")], missed
    assert [line for line in missed if not line.startswith("disabled hover")] == []
