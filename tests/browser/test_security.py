"""Browser security: the policy, no inline content, names only ever as text, no cached copies."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from common.names import name_allowed, name_isolated
from tests.browser.markup import inline_found
from tests.browser.pages import row

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;b&gt;"
OVERRIDE = "\u202e"
"""RIGHT-TO-LEFT OVERRIDE: reverses the text after it, up to the end of the isolate."""


def policy_of(headers: dict[str, str]) -> dict[str, str]:
    directives = (part.strip().partition(" ") for part in headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in directives}


def test_every_page_has_the_policy_and_nothing_that_it_forbids(furnished, visit):
    pages = {person: visit(person) for person in furnished.people}
    found = {}
    for name, person, path in furnished.all:
        response = pages[person].request.get(path)
        inline = inline_found(response.text())
        if policy_of(response.headers) != POLICY or inline:
            found[name] = (response.headers["content-security-policy"], inline)
    assert found == {}


def test_every_page_is_kept_from_caches_and_other_sites(furnished, visit):
    pages = {person: visit(person) for person in furnished.people}
    found = {}
    for name, person, path in furnished.all:
        headers = pages[person].request.get(path).headers
        cached = {part.strip() for part in headers["cache-control"].split(",")}
        kept = {"private", "no-cache"} <= cached or "no-store" in cached
        told = (headers["x-content-type-options"], headers["referrer-policy"], headers["x-frame-options"])
        if not kept or told != ("nosniff", "same-origin", "DENY"):
            found[name] = (cached, told)
    assert found == {}


@pytest.mark.parametrize("part", ["order", "account", "sessions", "backup, ready", "activity"])
def test_personal_pages_are_private_and_revalidated(part, furnished, visit):
    response = visit(furnished.person).request.get(furnished.places[part])
    assert response.headers["cache-control"] == "private, no-cache"


def watched(page: Page) -> list[str]:
    """A list that grows when a script in a user's text runs."""
    ran: list[str] = []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    return ran


@pytest.mark.parametrize("name", [EVIL, f"Nightly {OVERRIDE}gz.rat"], ids=["markup", "an override"])
def test_a_name_is_text_wherever_it_is_shown(name, house, visit):
    owner = house.person(username=f"{name} {id(name)}", name=name)
    rented = house.rent(name, owner=owner, customer=name, plan=name)
    house.backup(rented, name)
    house.do("token", username=owner.username, name=name)
    page = visit(owner)
    ran = watched(page)

    page.goto("/")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert page.title() == f"{name_isolated(name)} · Savepoint"
    expect(page.locator("#account-menu")).to_contain_text(name)

    row(page, name).get_by_role("link", name=f"Rename “{name_isolated(name)}”").click()
    expect(page.get_by_role("textbox", name="Name")).to_have_value(name)
    page.get_by_role("button", name="Save", exact=True).click()
    if name_allowed(name):
        expect(page.locator("#messages")).to_contain_text(f"“{name}” was changed.")
    else:
        visit.expects("status of 400")
        expect(page.get_by_role("dialog")).to_contain_text("A name has no control characters")
        page.keyboard.press("Escape")
    page.get_by_role("button", name=f"Lock “{name_isolated(name)}” against deletion").click()
    expect(page.locator("#messages")).to_contain_text(f"“{name}” is locked: nobody can delete it.")
    page.get_by_role("button", name=f"Unlock “{name_isolated(name)}”").click()
    expect(page.locator("#messages")).to_contain_text(f"“{name}” is unlocked.")
    page.get_by_role("link", name="Create backup", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text(f"All files of {name} are copied")
    page.keyboard.press("Escape")

    row(page, name).get_by_role("link", name="Restore").click()
    page.get_by_text("More choices").click()
    page.get_by_role("checkbox", name="Keep no copy of what is there now").check()
    expect(page.get_by_role("textbox", name=name)).to_be_visible()
    page.get_by_role("definition").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert page.title() == f"{name_isolated(name)} · Savepoint"
    page.get_by_role("link", name="Delete", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text(f"“{name}” will be gone for good.")
    page.get_by_role("button", name="Delete backup").click()
    expect(page.locator("#messages")).to_contain_text(f"“{name}” was deleted.")
    for path, shown in (("/account/", name), ("/account/tokens/", name), (f"{rented.path}activity/", name)):
        page.goto(path)
        expect(page.locator("main")).to_contain_text(shown)
    assert page.locator("img[src=x]").count() == 0
    assert ran == []


@pytest.mark.parametrize("place", ["/", "order", "backup", "restore/", "rename/", "delete/", "/account/", "activity"])
def test_a_name_is_isolated_so_that_it_turns_no_other_text(place, house, visit):
    name = f"Nightly {OVERRIDE}gz.rat"
    owner = house.person(username=f"{name} {place}", name=name)
    rented = house.rent(name, owner=owner, customer=name, plan=f"{name} {place}")
    backup = house.backup(rented, name)
    paths = {"order": rented.path, "backup": rented.backup(backup), "activity": f"{rented.path}activity/"}
    page = visit(owner, paths.get(place) or (place if place.startswith("/") else rented.backup(backup, place)))
    loose = page.evaluate(
        """mark => {
          const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walk.nextNode()) {
            const text = walk.currentNode, element = text.parentElement;
            if (!text.data.includes(mark) || element.closest("bdi, .visually-hidden")) continue;
            if (!["isolate", "isolate-override", "plaintext"].includes(getComputedStyle(element).unicodeBidi) ||
                text.data.trim() !== element.textContent.trim()) found.push(element.outerHTML.slice(0, 200));
          }
          return found;
        }""",
        OVERRIDE,
    )
    assert loose == []
    assert page.content().count(OVERRIDE) > 1


def test_the_description_of_the_api_works_from_our_own_files(house, visit):
    page = visit()
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto("/api/v1/docs/")
    expect(page.get_by_role("heading", name="Savepoint")).to_be_visible()
    operation = page.get_by_role("button", name="get /api/v1/orders/", exact=False).first
    operation.click()
    expect(page.get_by_text("Try it out")).to_be_visible()
    assert hosts == {house.url.removeprefix("http://")}
    assert inline_found(page.request.get("/api/v1/docs/").text()) == []


def test_the_pages_of_the_staff_keep_to_the_policy(house, visit):
    staff = house.person(staff=True)
    rented = house.rent()
    backup = house.backup(rented, "Nightly")
    page = visit(staff, "/admin/")
    lists = page.locator("#content-main a[href^='/admin/']").evaluate_all(
        "links => [...new Set(links.map(link => link.getAttribute('href')))]"
    )
    assert len(lists) > 10
    for path in [*lists, f"/admin/backups/backup/{backup}/change/", f"/admin/orders/order/{rented.order}/change/"]:
        response = page.goto(path)
        assert response is not None
        assert response.status == 200, path
        assert policy_of(response.headers) == POLICY
