"""axe-core in a page, run through the debugger: the page's policy neither blocks it nor has to be relaxed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

SCRIPT = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async ([runOnly, rules]) => {
  const {violations} = await axe.run(document, {runOnly, rules, resultTypes: ["violations"]});
  return violations.map(({id, help, nodes}) =>
    `${id} (${help}): ` + nodes.map(({html, any, all, none}) =>
      `${html.slice(0, 160)} ${[...any, ...all, ...none].map(({message}) => message).join(" ")}`).join(" | "));
}"""


COLOURS = ["color-contrast", "link-in-text-block"]


def violations(page: Page, *, rules: list[str] | None = None, without: list[str] | None = None) -> list[str]:
    """The violations that axe-core finds on the current page, one line a rule; only of `rules`, if given."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(SCRIPT)
    only: dict[str, Any] = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    found: list[str] = page.evaluate(RUN, [only, {rule: {"enabled": False} for rule in without or []}])
    return found


def violations_in_both_themes(page: Page) -> list[str]:
    """All rules in the light theme, and those about colours in the dark one."""
    page.emulate_media(color_scheme="light")
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {line}" for line in violations(page, rules=COLOURS)]
    page.emulate_media(color_scheme="light")
    return found
