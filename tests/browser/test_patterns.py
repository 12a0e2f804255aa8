"""Patterns in a browser: the count appears while they are typed, and by a button without scripts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations_in_both_themes
from tests.browser.chromium import DESKTOP, PHONE

MATCHED = "*.mca"


def count_of(world: Path) -> int:
    return len(list(world.rglob(MATCHED)))


def first_row(page: Page):
    return page.get_by_role("table", name="What each pattern leaves out").get_by_role("row").nth(1)


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_count_follows_what_is_typed_and_saving_keeps_it(screen, house, visit):
    rented, files = house.rent(), count_of(house.portal.world)
    assert files
    page = visit(rented.owner, f"{rented.path}exclude/", **screen)
    expect(page.get_by_text("In the backup", exact=True)).to_be_visible()
    patterns = page.get_by_label("Patterns")
    patterns.press_sequentially(MATCHED)
    expect(first_row(page)).to_contain_text(MATCHED)
    expect(first_row(page)).to_contain_text(str(files))
    page.get_by_text("Which files and folders").click()
    expect(page.get_by_role("table", name="Files and folders that would be left out")).to_be_visible()
    if pictures := os.environ.get("PICTURES"):
        page.screenshot(path=f"{pictures}/exclude-{screen['viewport']['width']}.png", full_page=True)
    assert violations_in_both_themes(page) == []
    patterns.press_sequentially("\n[")
    expect(page.get_by_text("Line 2 has a bracket that is not closed")).to_be_visible()
    patterns.fill(MATCHED)
    page.get_by_role("button", name="Save patterns").click()
    expect(page.get_by_text("They count from the next backup on.")).to_be_visible()
    expect(page.get_by_label("Patterns")).to_have_value(MATCHED)


def test_a_backup_of_the_dialog_leaves_out_what_was_typed(house, visit):
    rented = house.rent()
    page = visit(rented.owner, rented.path, **DESKTOP)
    page.get_by_role("link", name="Create backup", exact=True).click()
    dialog = page.get_by_role("dialog", name="Create a backup")
    dialog.get_by_text("Leave files out").click()
    dialog.get_by_label("Patterns").press_sequentially(MATCHED)
    expect(first_row(page)).to_contain_text(str(count_of(house.portal.world)))
    if pictures := os.environ.get("PICTURES"):
        page.screenshot(path=f"{pictures}/create.png")
    assert violations_in_both_themes(page) == []
    dialog.get_by_label("Name").fill("Without regions")
    dialog.get_by_role("button", name="Create backup").click()
    page.get_by_role("link", name="Without regions", exact=True).click()
    expect(page.get_by_role("heading", name="Left out on purpose")).to_be_visible(timeout=30_000)
    if pictures := os.environ.get("PICTURES"):
        page.screenshot(path=f"{pictures}/backup.png", full_page=True)
    assert violations_in_both_themes(page) == []


def test_without_scripts_a_button_shows_the_count(house, visit):
    rented = house.rent()
    page = visit(rented.owner, f"{rented.path}backups/create/", java_script_enabled=False)
    page.get_by_text("Leave files out").click()
    page.get_by_label("Patterns").fill(MATCHED)
    page.get_by_role("button", name="Show what the backup would hold").click()
    expect(first_row(page)).to_contain_text(str(count_of(house.portal.world)))
    expect(page.get_by_label("Patterns")).to_have_value(MATCHED)
