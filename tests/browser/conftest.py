"""One portal and one browser for all tests here; every page is watched, and any complaint fails its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.chromium import WAIT_MILLISECONDS, Watch, chromium_launched, contexts_close, page_opened
from tests.browser.house import House, Person, house_built
from tests.browser.places import Furnished, furnish
from tests.processes.portal import running

expect.set_options(timeout=WAIT_MILLISECONDS)


class Visits:
    """Opens pages: `visit(person, "/path")`."""

    def __init__(self, browser: Browser, house: House) -> None:
        self._browser = browser
        self._house = house
        self.watch = Watch()

    def __call__(self, person: Person | None = None, path: str = "", **options: Any) -> Page:
        """Open a page in a new context, with these options."""
        session = person.session if person else ""
        page = page_opened(self._browser, url=self._house.url, watch=self.watch, session=session, **options)
        if path:
            page.goto(path)
        return page

    def expects(self, *patterns: str) -> None:
        """Allow complaints that this test provokes."""
        self.watch.expects(*patterns)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        report.sections.extend((f"processes of {found.home}", found.logs()) for found in running)
        visits = item.funcargs.get("visit")
        for page in visits.watch.pages if visits else []:
            report.sections.append(("page", _described(page, item.funcargs.get("tmp_path"))))
    return report


def _described(page: Page, folder: Path | None) -> str:
    """A page's address and a screenshot of it."""
    try:
        shot = folder / f"page-{id(page)}.png" if folder else None
        page.screenshot(path=shot, full_page=True, timeout=5000)
        return f"{page.url}\n{shot}\n{page.locator('body').aria_snapshot(timeout=5000)}"
    except Error as error:
        return f"{page.url}: {error}"


# Not session-scoped: playwright's event loop occupies the thread, and Django refuses database access beside one.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with chromium_launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def house(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_built(tmp_path_factory.mktemp("browser") / "home") as found:
        yield found


@pytest.fixture
def visit(chromium: Browser, house: House, tmp_path: Path) -> Iterator[Visits]:
    """Open watched pages."""
    visits = Visits(chromium, house)
    yield visits
    contexts_close(visits.watch)
    assert visits.watch.unexpected() == []


@pytest.fixture(scope="package")
def furnished(house: House) -> Furnished:
    """A user with one of everything, for read-only tests."""
    return furnish(house)
