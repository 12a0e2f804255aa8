"""A schedule by the builder, run through the real worker and sidecar; its card and the calendar show the run."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.hands import Mouse, WithoutScripts


@pytest.mark.parametrize("way", [Mouse, WithoutScripts], ids=["by clicking", "without scripts"])
def test_a_schedule_is_built_run_and_seen_in_the_calendar(way, house, visit):
    rented = house.rent()
    page = visit(rented.owner, f"{rented.path}schedules/", **way.options)
    hand = way(page)
    preview = page.locator("#preview")

    hand.press(page.get_by_role("link", name="Make the first schedule"))
    hand.write(page.get_by_role("textbox", name="Name", exact=True), "Nightly, 夜")
    hand.choose(page.get_by_role("radio", name="Weekly"))
    weekly = page.locator("#id_weekly_days_group")
    hand.choose(weekly.get_by_role("checkbox", name="Friday"))
    page.get_by_role("spinbutton", name="Days, one backup each").fill("7")
    if way is WithoutScripts:
        hand.press(page.get_by_role("button", name="Show what it would do"))
    expect(preview.get_by_text("Every week on Monday and Friday at 4 a.m.")).to_be_visible()
    expect(preview.get_by_role("listitem").filter(has_text="04:00")).to_have_count(5)
    expect(preview.get_by_text("The next run would remove no backup.")).to_be_visible()
    if way is Mouse:
        hand.choose(page.get_by_role("radio", name="Daily"))
        expect(preview.get_by_text("Every day at 4 a.m.")).to_be_visible()
        expect(weekly).to_be_hidden()
        hand.choose(page.get_by_role("radio", name="By a cron expression"))
        cron = page.get_by_role("textbox", name="Cron expression")
        hand.write(cron, "61 4 * * mon,fri")
        expect(preview.get_by_role("listitem")).to_have_count(0)
        cron.fill("0 4 * * mon,fri")
        expect(preview.get_by_text("0 4 * * 1,5")).to_be_visible()
    hand.press(page.get_by_role("button", name="Save schedule"))

    expect(page.get_by_text("“Nightly, 夜” was saved.")).to_be_visible()
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Nightly, 夜"))
    expect(card.get_by_text("None yet")).to_be_visible()
    hand.press(card.get_by_role("link", name="Run now"))
    expect(page.get_by_role("heading", name="Run this schedule now?")).to_be_visible()
    hand.press(page.get_by_role("button", name="Run now"))
    expect(page.get_by_text("“Nightly, 夜” runs now.")).to_be_visible()

    hand.press(card.get_by_role("link", name="Show the backup"))
    hand.watch(lambda timeout: expect(page.get_by_text("Ready", exact=True).first).to_be_visible(timeout=timeout))
    page.goto(f"{rented.path}schedules/")
    expect(card.get_by_text("Succeeded")).to_be_visible()
    expect(card.get_by_text("daily: 7")).to_be_visible()
    hand.press(page.get_by_role("link", name="Calendar"))
    today = page.locator("[aria-current=date]")
    expect(today.get_by_text("Succeeded")).to_be_visible()
    hand.press(page.get_by_role("link", name="Day", exact=True))
    entries = page.get_by_role("listitem").filter(has_text="Nightly, 夜")
    expect(entries.filter(has_text="Succeeded").last).to_be_visible()
