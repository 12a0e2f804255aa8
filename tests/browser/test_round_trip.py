"""The whole job on the pages: sign in, create, watch, download, compare, damage the world, restore, delete."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from demo.comparison import archive_differences, archive_read, but_for, tree_read
from tests.browser.hands import Finger, Keyboard, Mouse, WithoutScripts
from tests.browser.pages import row


def differences(archive: Path, world: Path) -> list[str]:
    with archive.open("rb") as stream:
        return archive_differences(archive_read(stream), world)


def break_the_world(world: Path) -> None:
    """Damage the world as a griefer, a bad plugin and a full disk do."""
    (world / "server.properties").write_bytes(b"motd=broken\n")
    region = next(world.rglob("*.mca"))
    region.write_bytes(region.read_bytes()[:5000])
    next(world.rglob("*.dat")).unlink()
    (world / "grief").mkdir()
    (world / "grief" / "lava.txt").write_text("everywhere")


@pytest.mark.parametrize(
    ("way", "named"),
    [
        pytest.param(Mouse, "Vor dem Überfall, 夜 · ليل", id="by clicking"),
        pytest.param(Keyboard, "Before the update", id="by keyboard"),
        pytest.param(Finger, "Before the update", id="by touch"),
        pytest.param(WithoutScripts, "Before the update", id="without scripts"),
    ],
)
def test_the_whole_job(way, named, house, visit, tmp_path):
    rented, world, archive = house.rent(), house.portal.world, tmp_path / "archive.tar.gz"
    page = visit(path="/", **way.options)
    hand = way(page)

    def button(name):
        return page.get_by_role("button", name=name, exact=True)

    def link(name):
        return page.get_by_role("link", name=name, exact=True)

    hand.write(page.get_by_label("User name or e-mail address"), rented.owner.username)
    hand.write(page.get_by_label("Password"), rented.owner.password)
    hand.press(button("Sign in"))
    expect(page.get_by_role("heading", name="Orders", level=1)).to_be_visible()
    hand.press(link(rented.name))
    expect(page.get_by_role("heading", name="No backups yet")).to_be_visible()

    hand.press(link("Create backup"))
    hand.write(page.get_by_role("textbox", name="Name"), named)
    hand.press(button("Create backup"))
    backup = row(page, named)

    def watch(shown):
        # Wait for the answer first: a reload during a navigation may show either page.
        expect(page).to_have_url(f"{house.url}{rented.path}")
        hand.watch(lambda timeout: expect(shown).to_be_visible(timeout=timeout))

    watch(backup.get_by_text("Ready", exact=True))
    with page.expect_download() as download:
        hand.press(backup.get_by_role("link", name="Download"))
    assert download.value.suggested_filename == f"{named}.tar.gz"
    download.value.save_as(archive)
    assert differences(archive, world) == []

    def restore():
        hand.press(backup.get_by_role("link", name="Restore"))
        expect(page.get_by_role("heading", name="Restore this backup?")).to_be_visible()
        expect(page.get_by_role("radio", name="Remove them")).to_be_checked()
        hand.press(button("Restore backup"))
        watch(backup.get_by_text("Restored"))
        assert differences(archive, world) == []

    break_the_world(world)
    broken = but_for(tree_read(world), "mtime_ns", kind="folder")
    assert differences(archive, world) != []
    restore()

    hand.press(backup.get_by_role("link", name="Undo"))
    expect(page.get_by_role("heading", name="Undo this restore?")).to_be_visible()
    hand.press(button("Undo the restore"))
    watch(backup.get_by_text("Restore undone"))
    assert but_for(tree_read(world), "mtime_ns", kind="folder") == broken
    expect(backup.get_by_role("link", name="Undo")).to_have_count(0)
    restore()

    hand.press(backup.get_by_role("link", name="Delete"))
    expect(page.get_by_text("will be gone for good")).to_be_visible()
    hand.press(button("Delete backup"))
    expect(page.get_by_text(f"“{named}” was deleted.")).to_be_visible()
    expect(backup).to_have_count(0)
