"""The pages in other languages: chosen by the user or the browser, from either side."""

from __future__ import annotations

import pytest
from django.utils import translation
from django.utils.translation import gettext, pgettext
from playwright.sync_api import Page, expect

from tests.browser.pages import row

DIRECTIONS = {"de": "ltr", "ja": "ltr", "ar": "rtl"}


def said(language: str, text: str, *, context: str = "") -> str:
    """A text of the pages in a language."""
    with translation.override(language):
        return pgettext(context, text) if context else gettext(text)


def assert_in(page: Page, language: str) -> None:
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("html")).to_have_attribute("dir", DIRECTIONS.get(language, "ltr"))


@pytest.mark.parametrize("language", DIRECTIONS)
def test_the_order_page_and_its_dialog_say_it_in_the_users_language(language, house, visit):
    rented = house.rent(owner=house.person(language=language))
    house.backup(rented, "夜 · ليل · Nacht")
    page = visit(rented.owner, "/", locale="fr-FR")
    assert_in(page, language)
    expect(page.get_by_role("heading", name=said(language, "Orders"), level=1)).to_be_visible()
    page.get_by_role("link", name=rented.name).click()
    assert_in(page, language)
    expect(page.get_by_role("heading", name=said(language, "Backups"), exact=True)).to_be_visible()
    expect(row(page, "夜 · ليل · Nacht").get_by_text(said(language, "Ready"), exact=True)).to_be_visible()
    page.get_by_role("link", name=said(language, "Create backup"), exact=True).click()
    dialog = page.get_by_role("dialog", name=said(language, "Create a backup"))
    expect(dialog.get_by_role("button", name=said(language, "Create backup"))).to_be_visible()
    expect(dialog.get_by_role("button", name=said(language, "Close", context="verb"))).to_be_visible()


def test_arabic_is_mirrored(house, visit):
    rented = house.rent(owner=house.person(language="ar"))
    house.backup(rented, "Nightly")
    page = visit(rented.owner, rented.path)
    heading = page.locator("#backups-title").bounding_box()
    create = page.get_by_role("link", name=said("ar", "Create backup"), exact=True).bounding_box()
    brand = page.get_by_role("link", name="Savepoint").bounding_box()
    cells = [cell.bounding_box() for cell in row(page, "Nightly").get_by_role("cell").all()]
    assert create["x"] + create["width"] < heading["x"]
    assert brand["x"] > 600
    assert [cell["x"] for cell in cells] == sorted((cell["x"] for cell in cells), reverse=True)
    assert cells[0]["x"] > cells[-1]["x"]


@pytest.mark.parametrize(
    ("browser", "language"),
    [
        ("de-AT", "de"),
        ("ja-JP", "ja"),
        ("ar-EG", "ar"),
        ("pt-BR", "pt-br"),
        ("zh-CN", "zh-hans"),
        ("fr-CA", "fr"),
        ("sv-SE", "en"),
    ],
)
def test_the_browser_chooses_the_language_of_the_sign_in(browser, language, visit):
    page = visit(path="/accounts/login/", locale=browser)
    assert_in(page, language)
    expect(page.get_by_role("heading", name=said(language, "Sign in"), level=1)).to_be_visible()
