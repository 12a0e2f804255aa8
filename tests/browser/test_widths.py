"""Every page on every screen width, in several languages: translated, and without horizontal scrolling."""

from __future__ import annotations

from itertools import chain

import pytest
from django.conf import settings
from playwright.sync_api import expect

WIDTHS = [320, 360, 414, 480, 600, 641, 768, 834, 960, 993, 1024, 1100, 1184, 1200, 1440]
"""Phones, tablets and desktops, and the widths next to the layout's breakpoints."""
NARROWEST = [320, 641, 834, 993, 1184]
"""The narrowest width of each layout, where a text that is too long shows first."""
ALWAYS = ["ar", "de"]
"""Measured on every page: a language that is read from the right, and one of long words."""
BY_TURNS = 2
"""Every page is measured in so many of the other languages, by turns."""

RIGHT_TO_LEFT = {"ar"}
MEASURE = """async ([path, widthsOf]) => {
  const frame = document.querySelector("iframe") || document.body.appendChild(document.createElement("iframe"));
  frame.style.cssText = "border: 0; block-size: 740px";
  const found = [];
  for (const [language, widths] of Object.entries(widthsOf)) {
    const answer = await fetch(path, {headers: {"Accept-Language": language}});
    const loaded = new Promise(done => frame.onload = done);
    frame.srcdoc = await answer.text();
    await loaded;
    const root = frame.contentDocument.documentElement;
    if (root.lang !== language) found.push(`${language}: in ${root.lang}`);
    if (getComputedStyle(root).colorScheme === "normal") found.push(`${language}: without its style sheet`);
    for (const open of [false, true]) {
      if (open) root.querySelectorAll("details").forEach(details => { details.open = true; });
      for (const width of widths) {
        frame.style.inlineSize = `${width}px`;
        if (root.clientWidth !== width) found.push(`the frame is ${root.clientWidth} wide, not ${width}`);
        if (root.scrollWidth <= width) continue;
        const wide = [...root.querySelectorAll("body *")].filter(element => {
          const {left, right, width: own} = element.getBoundingClientRect();
          return own > 1 && (right > width + 1 || left < -1);
        }).slice(-3).map(({localName, id, className}) => `${localName}#${id}.${className}`);
        found.push(`${language} at ${width}: ${root.scrollWidth} ${wide}`);
      }
    }
  }
  return found;
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def measured(page, path: str, widths: dict[str, list[int]]) -> list[str]:
    """Elements wider than the page, measured in frames of each width: one request a language, no resized window."""
    found: list[str] = page.evaluate(MEASURE, [path, widths])
    return found


def widths_by_language(turn: int) -> dict[str, list[int]]:
    """The languages in which the page of this turn is measured, each with its widths."""
    others = sorted(code for code, _ in settings.LANGUAGES if code not in ALWAYS)
    chosen = [others[(turn * BY_TURNS + place) % len(others)] for place in range(BY_TURNS)]
    return {language: WIDTHS if language in ALWAYS else NARROWEST for language in [*ALWAYS, *chosen]}


def test_no_page_scrolls_sideways(furnished, visit):
    visit.expects("status of 404")
    assert {*chain.from_iterable(map(widths_by_language, range(4)))} == {code for code, _ in settings.LANGUAGES}
    pages = {person: visit(person, "/nothing/here/", bypass_csp=True) for person in furnished.people}
    for page in pages.values():
        page.evaluate(
            "document.body.style.cssText = 'display: block; inline-size: 1500px'; document.body.replaceChildren()"
        )
    found = {
        name: measured(pages[person], path, widths_by_language(turn))
        for turn, (name, person, path) in enumerate(furnished.all)
    }
    assert {name: wide for name, wide in found.items() if wide} == {}


def test_a_page_that_is_too_wide_is_found(furnished, visit):
    page = visit(furnished.person, "/", bypass_csp=True)
    page.route("**/account/", lambda route: route.fulfill(
        body="<!doctype html><html lang='de' style='color-scheme: light'><body><p style='width: 700px'>Zu breit",
        content_type="text/html",
    ))  # fmt: skip
    found = measured(page, "/account/", {"de": WIDTHS})
    assert [line.split(":")[0] for line in found][:3] == ["de at 320", "de at 360", "de at 414"]
    assert not any("at 768" in line for line in found)


@pytest.mark.parametrize("language", ["de", "pl", "ar"])
@pytest.mark.parametrize(("width", "scripts"), [(320, True), (360, False), (834, True), (1000, True), (1200, False)])
def test_tips_stay_inside_the_window(width, scripts, language, furnished, visit):
    screen = {"viewport": {"width": width, "height": 740}, "java_script_enabled": scripts, "is_mobile": width < 400}
    page = visit(furnished.person, furnished.order.path, locale=language, **screen)
    tips = [moment for moment in page.locator(".moment:has(.tip)").all() if moment.is_visible()]
    assert len(tips) > 10
    found = []
    for moment in tips:
        moment.hover()
        expect(moment.locator(".tip")).to_be_visible()
        box = moment.locator(".tip").bounding_box()
        if page.evaluate(SIDEWAYS) > 0 or box["x"] < 0 or box["x"] + box["width"] > width:
            found.append((moment.inner_text(), box))
    assert found == []
