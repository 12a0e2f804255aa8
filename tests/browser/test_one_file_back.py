"""One file of an older backup: browsed, compared over its versions, restored alone; then all files, and taken back.

A whole backup also comes into a new volume, beside the files that go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from demo.comparison import Tree, but_for, differences, tree_read
from tests.browser.hands import Finger, Mouse, WithoutScripts
from tests.browser.house import House, Rented
from tests.browser.pages import row

FILE = "server.properties"


@dataclass
class Customer:
    """Someone at the page of an order, who also sees the files of the server."""

    house: House
    rented: Rented
    page: Page
    hand: Mouse

    def press(self, name: str, *, role: str = "link", within: Locator | None = None) -> None:
        self.hand.press((within or self.page).get_by_role(role, name=name, exact=within is None))  # type: ignore[arg-type]  # a role is a literal there

    def watch(self, backup: str, label: str) -> None:
        """Wait on the page of the order until a backup says this."""
        expect(self.page).to_have_url(f"{self.house.url}{self.rented.path}")
        shown = row(self.page, backup).get_by_text(label)
        self.hand.watch(lambda timeout: expect(shown).to_be_visible(timeout=timeout))

    def create(self, name: str) -> None:
        self.press("Create backup")
        self.hand.write(self.page.get_by_role("textbox", name="Name"), name)
        self.press("Create backup", role="button")
        self.watch(name, "Ready")

    def restore(self, backup: str) -> None:
        """Confirm a restore whose page is open."""
        expect(self.page.get_by_role("heading", name="Restore this backup?")).to_be_visible()
        self.press("Restore backup", role="button")
        self.watch(backup, "Restored")

    def contents(self) -> Tree:
        return but_for(tree_read(self.house.portal.world), "mtime_ns", kind="folder")


@pytest.mark.parametrize(
    ("way", "backup_format"),
    [
        pytest.param(Mouse, "repository", id="snapshots by clicking"),
        pytest.param(Finger, "repository", id="snapshots by touch"),
        pytest.param(WithoutScripts, "repository", id="snapshots without scripts"),
        pytest.param(Mouse, "archive", id="archives by clicking"),
    ],
)
def test_an_older_backup_gives_back_one_file_and_all(way, backup_format, house, visit):
    rented = house.rent(plan=f"Keeps {backup_format}", backup_format=backup_format)
    world = house.portal.world
    page = visit(rented.owner, rented.path, **way.options)
    customer = Customer(house, rented, page, way(page))

    (world / FILE).write_text("motd=first\nport=25565\n")
    customer.create("Monday")
    (world / FILE).write_text("motd=second\nport=25565\n")
    (world / "of-tuesday.txt").write_text("new")
    customer.create("Tuesday")
    tuesday = customer.contents()

    customer.press("Monday")
    customer.press("Files")
    expect(page.get_by_role("heading", name="Files in this backup")).to_be_visible()
    expect(page.get_by_role("link", name="of-tuesday.txt")).to_have_count(0)
    customer.press(FILE)
    expect(page.get_by_text("motd=first")).to_be_visible()

    customer.press("Versions")
    versions = page.get_by_role("table", name="Versions of this path, newest backup first")
    newer, older = (versions.get_by_role("row").filter(has_text=name) for name in ("Tuesday", "Monday"))
    expect(newer).to_contain_text("Changed")
    expect(older).to_contain_text("Oldest shown")
    customer.press("Compare", within=newer)
    expect(page.get_by_role("deletion")).to_have_text("- motd=first")
    expect(page.get_by_role("insertion")).to_have_text("+ motd=second")

    page.go_back()
    customer.press("Restore", within=older)
    expect(page.locator("dd code")).to_have_text(FILE)
    customer.restore("Monday")
    assert (world / FILE).read_text() == "motd=first\nport=25565\n"
    assert (world / "of-tuesday.txt").read_text() == "new"

    (world / "of-tuesday.txt").unlink()
    (world / "of-wednesday.txt").write_text("newer")
    wednesday = customer.contents()
    customer.press("Restore", within=row(page, "Tuesday"))
    customer.restore("Tuesday")
    assert differences(tuesday, customer.contents()) == []

    customer.press("Undo", within=row(page, "Tuesday"))
    customer.press("Undo the restore", role="button")
    customer.watch("Tuesday", "Restore undone")
    assert differences(wednesday, customer.contents()) == []
    (world / "of-wednesday.txt").unlink()


@pytest.mark.parametrize(
    ("way", "backup_format"),
    [
        pytest.param(Mouse, "repository", id="a snapshot by clicking"),
        pytest.param(WithoutScripts, "archive", id="an archive without scripts"),
    ],
)
def test_a_backup_comes_into_a_new_volume(way, backup_format, house, visit):
    rented = house.rent(plan=f"Keeps {backup_format} beside", backup_format=backup_format)
    portal = house.portal
    page = visit(rented.owner, rented.path, **way.options)
    customer = Customer(house, rented, page, way(page))
    before = customer.contents()
    customer.create("Monday")
    (portal.world / "of-tuesday.txt").write_text("new")
    tuesday = customer.contents()

    customer.press("Restore", within=row(page, "Monday"))
    customer.press("Restore into a new volume")
    expect(page.get_by_role("heading", name="Restore into a new volume?")).to_be_visible()
    customer.press("Restore into a new volume", role="button")
    customer.watch("Monday", "Restored into a new volume")
    customer.press("Monday")
    told = page.get_by_text("The files are in the new volume")
    expect(told).to_be_visible()
    volume = (told.text_content() or "").strip().removesuffix(".").rpartition(" ")[2]
    (found,) = portal.home.glob(f"volumes/*/{volume}")
    assert differences(before, but_for(tree_read(found), "mtime_ns", kind="folder")) == []
    assert differences(tuesday, customer.contents()) == []
    (portal.world / "of-tuesday.txt").unlink()
