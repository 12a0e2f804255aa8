"""One Chromium, and contexts whose pages are watched for errors."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright

from tests.services.require import program_require

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one has no windows, whose own pages would take as much time as those under test."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The pixels of a screenshot and the width of a text should not depend on the machine.
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
)
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI, sourceFile, lineNumber}) =>
  console.error(`Content-Security-Policy: ${violatedDirective} blocked ${blockedURI} (${sourceFile}:${lineNumber})`));
"""
STILL = {"reduced_motion": "reduce"}
"""Colours cannot be judged during an animation, and drawing it keeps a processor busy while a test waits."""
DESKTOP = {"viewport": {"width": 1200, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
WAIT_MILLISECONDS = 30_000


@contextmanager
def chromium_launched() -> Iterator[Browser]:
    """A Chromium installed on this machine. Raises ProgramMissing."""
    name = next((name for name in NAMES if shutil.which(name)), NAMES[0])
    program = program_require(name, package=NAMES[0])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """The complaints of a test's pages: console errors, exceptions, violations of the policy."""

    pages: list[Page] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        """Listen to every present and future page of this context."""
        context.add_init_script(TELL_VIOLATIONS)
        context.on("page", self._meet)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def expects(self, *patterns: str) -> None:
        """Complaints that the test provokes: regular expressions, each for any number of matches."""
        self._expected.extend(patterns)

    def unexpected(self) -> list[str]:
        return [text for text in self.complaints if not any(re.search(pattern, text) for pattern in self._expected)]

    # Methods, because playwright sets attributes on callbacks, which a list's own `append` does not allow.
    def _meet(self, page: Page) -> None:
        self.pages.append(page)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.complaints.append(f"{message.text} [{message.location.get('url', '')}]")


def page_opened(
    browser: Browser, *, url: str, watch: Watch, session: str = "", locale: str = "en-US", **options: object
) -> Page:
    """A page in a context of its own, signed in if there is a session."""
    context = browser.new_context(
        **{"base_url": url, "locale": locale, "timezone_id": "Europe/Berlin", **DESKTOP, **STILL, **options}
    )
    context.set_default_timeout(WAIT_MILLISECONDS)
    watch.follow(context)
    if session:
        context.add_cookies([{"name": "savepoint", "value": session, "url": url}])
    return context.new_page()


def contexts_close(watch: Watch) -> None:
    """Close everything that was opened; closing twice is no error."""
    for page in watch.pages:
        try:
            page.context.close()
        except Error:
            continue
