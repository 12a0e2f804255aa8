"""The pictures in docs/screenshots: `python -m tests.browser.screenshots [FOLDER]`, of a portal with made-up data."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from demo.processes import ROOT
from tests.browser.chromium import PHONE, Watch, chromium_launched, contexts_close, page_opened
from tests.browser.house import House, Person, Rented, house_built
from tests.browser.pages import row
from tests.processes.test_main_job import break_the_world

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/screenshots"
LARGE = {"viewport": {"width": 1200, "height": 1040}}
SHARP_PHONE = {**PHONE, "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
BYTES_MAX, ALL_BYTES_MAX = 140_000, 4_200_000
GIB = 1 << 30
DAY = 24.0
SECONDS = 60_000
LATIN = {
    "customer": "Lind Games",
    "plan": "Gold",
    "order": "Survival Reloaded",
    "others": ["Creative plots", "Lobby"],
    "first": "Season 3, final map",
    "update": "Before the 1.21 update",
    "nightly": "Nightly",
    "raid": "Before the dragon fight",
}
ARABIC = {
    "customer": "ليلى",
    "plan": "ذهبي",
    "order": "عالم البقاء",
    "others": ["الإبداع", "الساحة"],
    "first": "الموسم الثالث، الخريطة النهائية",
    "update": "قبل تحديث 1.21",
    "nightly": "نسخة ليلية",
    "raid": "قبل قتال التنين",
}


@dataclass
class Studio:
    """Opens pages and takes screenshots."""

    browser: Browser
    house: House
    watch: Watch

    def page(self, person: Person | None, path: str, **options: Any) -> Page:
        """A page with times in a zone that its browser has reported before."""
        session = person.session if person else ""
        page = page_opened(self.browser, url=self.house.url, watch=self.watch, session=session, **options)
        page.goto("/")
        page.goto(path)
        expect(page.get_by_role("heading").first).to_be_visible()
        return page

    def shoot(self, name: str, page: Page) -> None:
        """Take a screenshot of the height of the window."""
        page.evaluate("document.fonts.ready")
        page.screenshot(path=FOLDER / f"{name}.png", animations="disabled", caret="hide")


def stocked(house: House, person: Person, words: dict[str, Any]) -> tuple[Rented, str]:
    """Orders with backups of various ages; returns the newest ready one of the first order."""
    rented = house.rent(words["order"], owner=person, plan=words["plan"], customer=words["customer"], limit=12)
    for name, hours in zip(words["others"], (9.0, 31.0), strict=True):
        house.backup(house.rent(name, owner=person, plan=words["plan"], limit=12), words["nightly"], hours=hours)
    house.backup(rented, words["first"], hours=64 * DAY, mebibytes=1210, locked=True)
    house.backup(rented, words["update"], hours=9 * DAY, mebibytes=1655)
    house.backup(rented, words["nightly"], hours=2.2 * DAY, mebibytes=1742)
    house.backup(rented, words["nightly"], hours=1.2 * DAY, status="failed")
    newest = house.backup(
        rented,
        words["raid"],
        hours=6.2,
        mebibytes=1798,
        warnings=[{"kind": "changed", "path": "logs/latest.log"}],
        warnings_total=1,
    )
    return rented, newest


def brought_back(studio: Studio, person: Person) -> None:
    """The restore of a real backup: its preview, and the undo."""
    rented = studio.house.rent("Vanilla evenings", owner=person, plan=LATIN["plan"], limit=12)
    page = studio.page(person, f"{rented.path}backups/create/", viewport={"width": 1200, "height": 1500})
    page.get_by_role("textbox", name="Name").fill("Before the griefer")
    page.get_by_role("button", name="Create backup").click()
    backup = row(page, "Before the griefer")
    expect(backup.get_by_text("Ready", exact=True)).to_be_visible(timeout=SECONDS)
    break_the_world(studio.house.portal.world)
    looked_into(studio, page, backup)
    backup.get_by_role("link", name="Restore").click()
    expect(page.get_by_text("Removed", exact=True)).to_be_visible(timeout=SECONDS)
    studio.shoot("restore", page)
    page.get_by_role("button", name="Restore backup").click()
    expect(backup.get_by_text("Restored")).to_be_visible(timeout=SECONDS)
    page.set_viewport_size({"width": 1200, "height": 860})
    backup.get_by_role("link", name="Undo").click()
    expect(page.get_by_role("heading", name="Undo this restore?")).to_be_visible()
    studio.shoot("undo", page)


def looked_into(studio: Studio, page: Page, backup: Locator) -> None:
    """The files of a backup, the versions of one, and the forms for a verification and for a new volume."""
    order, here = page.url, backup.locator("a.row-link").get_attribute("href") or ""
    page.set_viewport_size({"width": 1200, "height": 860})
    for name, address in {
        "files": f"{here}files/?path=world",
        "versions": f"{order}files/?path=world/level.dat",
        "verify": f"{here}verify/",
        "new-volume": f"{here}restore/volume/",
    }.items():
        page.goto(address)
        studio.shoot(name, page)
    page.set_viewport_size({"width": 1200, "height": 1500})
    page.goto(order)


def scheduled(studio: Studio, rented: Rented, words: dict[str, Any]) -> None:
    """Schedules with their runs, triggers, notices, and an address, for the pages that show them."""
    house = studio.house
    runs = {f"succeeded {day}": day * DAY + 1 for day in range(3, 12)} | {"failed": DAY + 1, "unchanged": 2 * DAY + 1}
    house.do(
        "schedule", order=rented.order, name=words["nightly"], cron="0 4 * * *", time_zone="Europe/Berlin", runs=runs,
        retention={"last": 3, "daily": 7, "weekly": 4}, only_if_changed=True,
    )  # fmt: skip
    house.do("schedule", order=rented.order, name=words["plan"], cron="30 3 * * 1", of_plan=True)
    house.do("schedule", order=rented.order, name=words["raid"], cron="0 18 * * 5", paused=True)
    house.do("trigger", order=rented.order, kind="crash")
    house.do("trigger", order=rented.order, kind="changed_bytes", limit_bytes=512 << 20)
    kinds = ["backup.recovered", "backup.failed", "backup.absent", "restore.succeeded"]
    house.do("notices", order=rented.order, username=rented.owner.username, kinds=kinds)
    house.do("endpoint", order=rented.order)


SCHEDULED = {
    "schedules": "schedules/",
    "schedule-new": "schedules/create/",
    "calendar": "schedules/calendar/",
    "triggers": "triggers/",
    "notifications": "notifications/",
    "usage": "usage/",
}
"""Pages of an order, below its own address."""


def shoot_scheduled(studio: Studio, rented: Rented, kind: str = "", **options: Any) -> None:
    """Take the pages of schedules and notices; kind: said in the names of the pictures."""
    page = studio.page(rented.owner, rented.path, **options)
    for name, rest in SCHEDULED.items():
        page.goto(f"{rented.path}{rest}")
        page.wait_for_load_state("networkidle")
        studio.shoot(f"{name}{kind}", page)
    page.goto("/inbox/")
    studio.shoot(f"inbox{kind}", page)


def take(studio: Studio) -> None:
    """Take all screenshots."""
    house = studio.house
    player = house.person(username="player-one", email="player-one@example.com")
    rented, newest = stocked(house, player, LATIN)
    house.do("token", username="player-one", name="Discord bot", scopes=["view", "create"], days=90)
    house.do("token", username="player-one", name="Nightly script", scopes=["view", "create", "download"])

    studio.shoot("sign-in", studio.page(None, "/accounts/login/"))
    page = studio.page(player, "/")
    studio.shoot("orders", page)
    for name, path in {
        "backup": rented.backup(newest),
        "account": "/account/",
        "tokens": "/account/tokens/",
        "second-factor": "/accounts/2fa/totp/activate/",
    }.items():
        page.goto(path)
        page.set_viewport_size({"width": 1200, "height": 800})
        studio.shoot(name, page)
    page.goto(rented.path)
    page.get_by_role("link", name="Create backup", exact=True).click()
    page.get_by_role("textbox", name="Name").fill("Before the nether reset")
    studio.shoot("create", page)

    brought_back(studio, player)

    progress = {"bytes_total": int(1.77 * GIB), "bytes_done": int(0.8 * GIB), "rate": 38 << 20}
    house.hold(rented, LATIN["nightly"], **progress)
    studio.shoot("order", studio.page(player, rented.path, **LARGE))
    studio.shoot("order-dark", studio.page(player, rented.path, color_scheme="dark", **LARGE))
    studio.shoot("order-phone", studio.page(player, rented.path, **SHARP_PHONE))
    reader = house.person(username="player-two", language="ar")
    arabic, _ = stocked(house, reader, ARABIC)
    house.hold(arabic, ARABIC["nightly"], **progress)
    studio.shoot("order-arabic", studio.page(reader, arabic.path, locale="ar", **LARGE))

    scheduled(studio, rented, LATIN)
    scheduled(studio, arabic, ARABIC)
    shoot_scheduled(studio, rented, **LARGE)
    shoot_scheduled(studio, rented, "-dark", color_scheme="dark", **LARGE)
    shoot_scheduled(studio, rented, "-phone", **PHONE)
    shoot_scheduled(studio, arabic, "-arabic", locale="ar", **LARGE)
    staff = house.person(staff=True)
    studio.shoot("fleet", studio.page(staff, "/fleet/", **LARGE))


def main() -> None:
    """Take all screenshots; they must be small enough for a repository."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    watch = Watch()
    # A screenshot hides the carets of fields by a style of its own, whose empty remains an update would copy.
    watch.expects("Applying inline style", "style-src-attr blocked inline")
    with (
        tempfile.TemporaryDirectory() as folder,
        chromium_launched() as browser,
        house_built(Path(folder) / "home") as house,
    ):
        take(Studio(browser, house, watch))
        contexts_close(watch)
    complaints = watch.unexpected()
    assert complaints == [], complaints
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{size:>8}  {name}")  # noqa: T201  # this is a command
    assert max(sizes.values()) <= BYTES_MAX
    assert sum(sizes.values()) <= ALL_BYTES_MAX


if __name__ == "__main__":
    main()
