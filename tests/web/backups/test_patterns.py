"""Patterns on pages: of a server, of one backup, with what they leave out beside them, and on a backup's page."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from backups.models import Backup
from orders.rights import OrderRight
from provisions.models import Provision
from sidecar_client.values import BackupEstimate, ExcludedPath, PatternCount
from tests.factories import OrderUserPermissionFactory, UserFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of

HTMX = {"HX-Request": "true"}
TOLD = BackupEstimate(
    entries=40,
    bytes=3 << 20,
    changed_bytes=1 << 20,
    changed_entries=4,
    now_ns=1,
    patterns=(
        PatternCount(b"*.log", 2, 2048),
        PatternCount(b"[", 0, 0, of_file=True, impossible=True),
        PatternCount(b"ca\xe9/", 7, 4096),
    ),
    paths=(
        ExcludedPath(b"cach\xe9", 2, is_folder=True, entries=7, bytes=4096),
        ExcludedPath(b"<b>.log", 0, is_folder=False, entries=1, bytes=1024),
    ),
    more=True,
)


@pytest.fixture
def counted(rental, monkeypatch):
    """A sidecar that counts; the list has the patterns that it was asked about."""
    asked = []

    class Counting:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def backup_estimate(self, *, exclude, paths_limit, **_):
            asked.append((exclude.before, exclude.after, exclude.ignore_file))
            return TOLD if paths_limit else BackupEstimate(**{**vars_of(TOLD), "paths": ()})

    monkeypatch.setattr("backups.services.estimates.sidecar_open", lambda **_: Counting())
    return asked


def vars_of(told):
    return {name: getattr(told, name) for name in told.__slots__}


@pytest.fixture
def page(rental) -> str:
    return f"{rental.page}exclude/"


def set_patterns(rental, text: str) -> None:
    Provision.objects.filter(id=rental.server.id).update(exclude=text)


def saved(rental) -> str:
    return Provision.objects.get(id=rental.server.id).exclude


def set_plan(rental, **values: object) -> None:
    for name, value in values.items():
        setattr(rental.order.plan, name, value)
    rental.order.plan.save()


def test_the_patterns_of_a_server_are_saved_by_their_form(rental, owner, page):
    set_patterns(rental, "*.log")
    shown = read(owner.get(page))
    assert shown.one("textarea", name="exclude").text == "*.log"
    assert shown.one("nav", class_="tabs").one("a", href=page)["aria-current"] == "page"
    answer = owner.post(page, {"exclude": "# mine\r\n*.log\r\n\r\n/cache/"})
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert saved(rental) == "# mine\n*.log\n\n/cache/"
    after = read(owner.get(page))
    assert "They count from the next backup on." in after.one(id="messages").text
    assert "Files to leave out changed" in read(owner.get(f"{rental.page}activity/")).text


def test_an_impossible_pattern_is_reported_by_line_and_stays_in_the_form(rental, owner, page):
    answer = owner.post(page, {"exclude": "*.log\n[z-a]"})
    form = read(answer).one("form", class_="form")
    field = form.one("textarea", name="exclude")
    assert answer.status_code == 400
    assert field.text == "*.log [z-a]"
    assert "Line 2 has a bracket that is not closed" in form.described(field)
    assert saved(rental) == ""


def test_the_count_beside_each_pattern_is_a_part_of_its_own(rental, owner, page, counted):
    set_patterns(rental, "saved")
    answer = owner.post(f"{page}estimate/", {"exclude": "*.log\nca"}, headers=HTMX)
    part = read(answer)
    assert counted == [((), (b"*.log", b"ca"), True)]
    rows = [[cell.text for cell in row.all("td")] for row in part.all("tbody")[0].all("tr")]
    assert rows == [
        ["*.log", "2", "2 KiB"],
        ["[ .savepointignore", "No pattern: it leaves out nothing", "0 bytes"],
        ["ca\\xe9/", "7", "4 KiB"],
    ]
    paths = [[cell.text for cell in row.all("td")] for row in part.all("tbody")[1].all("tr")]
    assert paths == [["cach%E9/", "ca\\xe9/", "4 KiB"], ["<b>.log", "*.log", "1 KiB"]]
    assert "40 files and folders, 3 MiB" in part.text
    assert "The first 2 are listed." in part.text
    assert not part.has("form")
    assert saved(rental) == "saved"


def test_without_scripts_a_button_shows_the_count_and_keeps_what_was_typed(rental, owner, page, counted):
    form = read(owner.get(page)).one("form", class_="form")
    shown = read(owner.post(form.one("button", class_="without-js")["formaction"], {"exclude": "typed"}))
    assert shown.one("form", class_="form")["action"] == page
    assert shown.one("textarea", name="exclude").text == "typed"
    assert "40 files and folders" in shown.text
    assert saved(rental) == ""


def test_the_form_of_a_backup_shows_what_it_would_hold_and_takes_patterns(rental, owner, counted):
    set_patterns(rental, "of the server")
    form = read(owner.get(rental.create_page)).one("form", class_="form")
    live = form.one("div", class_="estimate")
    assert (live["hx-post"], live["hx-trigger"]) == (
        f"{rental.create_page}estimate/",
        "load, input delay:500ms from:#id_exclude",
    )
    part = owner.post(live["hx-post"], {"exclude": "typed"}, headers=HTMX)
    assert "40 files and folders" in read(part).text
    assert counted == [((), (b"of the server", b"typed"), True)]
    assert not Backup.objects.exists()
    assert owner.post(rental.create_page, {"exclude": "*.log\n"}).status_code == 302
    assert Backup.objects.get().exclude == ["*.log", ""]


@pytest.mark.parametrize(
    ("typed", "said"),
    [("[", "Line 1 has a bracket"), ("", "The backup agent beside your server could not be reached.")],
)
def test_an_estimate_that_fails_says_why_and_stops_nobody(typed, said, rental, owner):
    answer = owner.post(f"{rental.create_page}estimate/", {"exclude": typed}, headers=HTMX)
    assert answer.status_code == 200
    assert said in read(answer).text


def test_without_the_right_to_read_no_file_is_named(rental, page, counted):
    member = UserFactory()
    OrderUserPermissionFactory(content_object=rental.order, user=member, right=OrderRight.CREATE.value)
    answer = browser_of(member).post(f"{page}estimate/", {"exclude": "*.log"}, headers=HTMX)
    text = read(answer).text
    assert "Your rights do not include seeing which files these are." in text
    assert "cach" not in text


def test_a_member_without_the_right_sees_the_patterns_and_cannot_save_them(rental, page):
    set_patterns(rental, "*.log")
    member = UserFactory()
    OrderUserPermissionFactory(content_object=rental.order, user=member, right=OrderRight.CREATE.value)
    form = read(browser_of(member).get(page)).one("form", class_="form")
    assert "disabled" in form.one("textarea", name="exclude")
    button = form.one("button", class_="primary")
    assert "disabled" in button
    assert form.described(button)
    assert browser_of(member).post(page, {"exclude": "*"}).status_code == 403
    assert saved(rental) == "*.log"


def test_a_plan_that_forbids_patterns_hides_them_from_customers_only(rental, owner, page):
    set_plan(rental, customer_patterns=False, exclude="/cache/", profile_presets=True)
    rental.sidecar.game_profile = "minecraft-java"
    rental.sidecar.save()
    assert not read(owner.get(rental.create_page)).has("textarea", name="exclude")
    shown = read(owner.get(page))
    assert "disabled" in shown.one("textarea", name="exclude")
    assert "it takes no patterns of yours" in shown.one(id="exclude-why").text
    host = shown.one("details", class_="card").text
    assert "/cache/" in host
    assert "/crash-reports/" in host
    assert owner.post(page, {"exclude": "*"}).status_code == 409
    staff = UserFactory()
    staff.user_permissions.set(Permission.objects.filter(codename="view_all_orders"))
    assert browser_of(staff).post(page, {"exclude": "*"}).status_code == 302


def test_the_page_of_a_backup_says_what_was_left_out(rental, owner):
    left_out = {"entries": 3, "bytes": 2048, "patterns": ["*.log", "<b>"]}
    card = read(owner.get(rental.at(rental.stored(excluded=left_out)))).one(id="excluded")
    assert "3 files and folders (2 KiB) are not in the backup" in card.text
    assert [item.text for item in card.all("li")] == ["*.log", "<b>"]
    nothing = {"entries": 0, "bytes": 0, "patterns": []}
    assert not read(owner.get(rental.at(rental.stored(excluded=nothing)))).has(id="excluded")
