"""Finding elements by role and name, as users do, never by markup."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, Request

from tests.browser.house import Person


def sign_in(page: Page, person: Person) -> None:
    """Fill in the sign-in form on the page."""
    page.get_by_label("User name or e-mail address").fill(person.username)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()


def row(page: Page, name: str) -> Locator:
    """The row of a backup."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def requests_of(page: Page, part: str) -> list[Request]:
    """A list that grows with every request whose address contains `part`."""
    seen: list[Request] = []
    page.on("request", lambda request: seen.append(request) if part in request.url else None)
    return seen


def has_focus(locator: Locator) -> bool:
    return bool(locator.count()) and bool(locator.evaluate("element => element === document.activeElement"))


def tab_to(page: Page, locator: Locator, *, most: int = 80) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(most):
        if has_focus(locator):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{locator} is not reached by Tab")


class Clock:
    """A page's clock, which stands still from before the page is loaded, and moves on request."""

    BEGIN = 1_800_000_000.0

    def __init__(self, page: Page, path: str) -> None:
        self.page = page
        page.clock.install(time=self.BEGIN)
        page.clock.pause_at(self.BEGIN + 1)
        page.goto(path)

    def passes(self, seconds: float) -> None:
        self.page.clock.run_for(round(seconds * 1000))

    def until_answer(self, polled: str) -> int:
        """Advance the clock to the next request, and wait for its answer; returns the status."""
        with self.page.expect_response(polled) as answer:
            self.passes(3)
        answer.value.finished()
        return int(answer.value.status)
