"""Input methods: mouse, keyboard alone, touch, and pages without scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.pages import has_focus, tab_to
from tests.processes.waiting import wait_until

WORK_SECONDS = 90


class Mouse:
    """Points and clicks."""

    options: dict[str, Any] = DESKTOP

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        """Follow a link or press a button."""
        target.click()

    def write(self, field: Locator, text: str) -> None:
        field.click()
        field.press_sequentially(text)

    def choose(self, radio: Locator) -> None:
        radio.check()

    def watch(self, condition: Callable[[float], None]) -> None:
        """Wait until a condition, which is given milliseconds, holds; the page is not reloaded."""
        self.page.evaluate("window.sameDocument = true")
        condition(WORK_SECONDS * 1000)
        assert self.page.evaluate("window.sameDocument") is True


class Keyboard(Mouse):
    """Reaches every control by Tab."""

    def press(self, target: Locator) -> None:
        tab_to(self.page, target)
        self.page.keyboard.press("Enter")

    def write(self, field: Locator, text: str) -> None:
        tab_to(self.page, field)
        self.page.keyboard.type(text)

    def choose(self, radio: Locator) -> None:
        """Tab to the selected radio button of a group, then choose another with the arrow keys."""
        group = self.page.locator(f"[name={radio.get_attribute('name')}]:checked")
        tab_to(self.page, group)
        for _ in range(5):
            if has_focus(radio):
                break
            self.page.keyboard.press("ArrowDown")
        expect(radio).to_be_checked()


class Finger(Mouse):
    """Taps on a small screen."""

    options = PHONE

    def press(self, target: Locator) -> None:
        target.tap()

    def choose(self, radio: Locator) -> None:
        radio.tap()
        expect(radio).to_be_checked()


class WithoutScripts(Mouse):
    """Reloads the page to see changes."""

    options = {**DESKTOP, "java_script_enabled": False}

    def watch(self, condition: Callable[[float], None]) -> None:
        def look() -> bool:
            self.page.reload()
            try:
                condition(200)
            except AssertionError:
                return False
            return True

        wait_until(look, seconds=WORK_SECONDS, what="what is waited for")
