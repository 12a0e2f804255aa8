"""The order page: its list, the filters of the list, and its messages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from backups.web import overview
from orders.models import Plan
from orders.rights import OrderRight
from tests.factories import BackupFactory, OrderUserPermissionFactory, SupervisorFactory, UsageSampleFactory
from tests.web.backups.reading import hx, read, without_token, words
from tests.world.clients import browser_of


def names(answer):
    return [link.text for link in read(answer).all("a", class_="row-link")]


def aged(*backups):
    """Make backups so old that no relative time changes while a test runs."""
    for number, backup in enumerate(backups):
        moment = timezone.now() - timedelta(hours=2, minutes=5 + number)
        completed = moment if backup.completed_at else None
        Backup.objects.filter(id=backup.id).update(created_at=moment, completed_at=completed)


def test_the_page_and_the_part_that_is_asked_for_again_are_the_same(rental, owner):
    aged(rental.begun(), rental.stored(locked=True), rental.failed(), rental.stored(name="<b>"))
    page, part = owner.get(rental.page), owner.get(rental.region, headers=hx(target="backups"))
    assert part.status_code == 200
    assert "csrfmiddlewaretoken" in part.content.decode()
    assert without_token(part).strip() in without_token(page)
    assert "<html" not in part.content.decode()
    assert read(part).all("section")[0]["id"] == "backups"


def test_backups_are_listed_newest_first_with_their_facts(rental, owner):
    old, new = rental.stored(name="old", locked=True), rental.stored(name="new", consistency="live", warnings_total=2)
    Backup.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=1))
    page = read(owner.get(rental.page))
    assert names(owner.get(rental.page)) == ["new", "old"]
    row = page.one("tr", id=f"backup-{new.id}")
    marks = [mark.text for mark in row.all("li", class_="mark")]
    assert marks == ["2 warnings", "Files", "Taken while running"]
    assert row.one(class_="badge").text == "Ready"
    assert row.one("td", data_label="Size").text == "23 bytes"
    assert "Locked" in page.one("tr", id=f"backup-{old.id}").text
    assert row.one("a", id=f"open-{new.id}")["href"] == rental.at(new)


def test_the_usage_says_how_many_and_how_much(rental, owner):
    plan = rental.order.plan
    plan.backup_limit = 3
    plan.save()
    rental.stored()
    rental.stored()
    rental.failed()
    usage = read(owner.get(rental.page)).one(class_="usage")
    assert "2 of 3 backups" in usage.text
    assert usage.one(id="stored").text == "46 bytes stored for 46 bytes of backups"
    bar = usage.one("progress")
    assert (bar["value"], bar["max"]) == ("2", "3")
    assert not usage.all("svg")


def test_the_chart_shows_the_samples(rental, owner):
    rental.stored(content_bytes=500)
    now = timezone.now()
    for hours, stored in ((3, 100), (2, 50), (1, 200)):
        UsageSampleFactory(order=rental.order, at=now - timedelta(hours=hours), stored_bytes=stored)
    usage = read(owner.get(rental.page)).one(class_="usage")
    assert usage.one(id="stored").text == "23 bytes stored for 500 bytes of backups"
    chart = usage.one("svg", class_="chart")
    assert words(chart["aria-label"]) == "Stored size over time, now 23 bytes"
    points = [tuple(map(float, point.split(","))) for point in chart.one("polyline")["points"].split()]
    assert [height for _, height in points] == [48, 24, 24, 36, 36, 0, 0]
    assert [across for across, _ in points] == [0, 0, 114, 114, 228, 228, 240]


def test_a_limit_in_bytes_is_shown_and_refuses_with_its_reason(rental, owner):
    rental.stored(content_bytes=3 << 20)
    Plan.objects.update(byte_limit=2 << 20)
    page = read(owner.get(rental.page))
    assert "3 MiB of 2 MiB" in page.one(class_="usage").text
    assert "Your plan allows 2 MiB of backups, and they have 3 MiB" in page.one(id="create-why").text


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (None, "Not protected yet: there is no backup."),
        (8, "At risk: the last good backup is old, 1 week ago."),
        (6, "Protected: backed up 6 days ago."),
    ],
)
def test_protection_is_described_in_words(days, said, rental, owner):
    if days is not None:
        Backup.objects.filter(id=rental.stored().id).update(completed_at=timezone.now() - timedelta(days=days))
    sentence = read(owner.get(rental.page)).one(id="protection-sentence").text
    assert sentence.replace("\xa0", " ") == said


def test_progress_is_shown_in_figures_and_words(rental, owner):
    backup = rental.begun(phase="packing", bytes_done=1 << 20, bytes_total=4 << 20, rate=1 << 20)
    row = read(owner.get(rental.page)).one("tr", id=f"backup-{backup.id}")
    assert row.one("progress")["value"] == "25"
    said = row.one(class_="progress-text").text
    assert said == "Packing and storing 25 % 1 MiB of 4 MiB 1 MiB/s 3 seconds left"


def test_a_bar_is_never_whole_before_the_end(rental, owner):
    rental.begun(bytes_done=100, bytes_total=100)
    assert read(owner.get(rental.page)).one("table").one("progress")["value"] == "99"


def test_without_a_total_the_bar_shows_no_share(rental, owner):
    rental.begun(bytes_done=100)
    row = read(owner.get(rental.page)).one("table")
    assert "value" not in row.one("progress")
    assert "100 bytes" in row.text
    assert "%" not in row.text


def test_failure_is_explained_in_a_sentence(rental, owner):
    backup = rental.failed()
    row = read(owner.get(rental.page)).one("tr", id=f"backup-{backup.id}")
    assert "This backup failed. The backup storage could not be reached. Nothing was lost." in row.text


def test_an_empty_list_explains_and_offers_the_first_backup(rental, owner):
    empty = read(owner.get(rental.page)).one(class_="empty")
    assert empty.one("h3").text == "No backups yet"
    assert empty.one("a", id="create-first")["href"] == rental.create_page


def test_create_button_needs_the_right(rental):
    member = OrderUserPermissionFactory(content_object=rental.order, right=OrderRight.VIEW.value).user
    page = read(browser_of(member).get(rental.page))
    assert page.has(class_="empty")
    assert not page.has(id="create")
    assert not page.has(id="create-first")


@pytest.mark.parametrize(
    ("rights", "offered"),
    [
        ([], set()),
        ([OrderRight.RESTORE], {"restore"}),
        ([OrderRight.DOWNLOAD], {"download"}),
        ([OrderRight.DELETE], {"delete", "rename", "lock"}),
    ],
)
def test_forbidden_actions_are_not_offered(rights, offered, rental):
    backup = rental.stored()
    member = OrderUserPermissionFactory(content_object=rental.order, right="view_order").user
    for right in rights:
        OrderUserPermissionFactory(content_object=rental.order, user=member, right=right.value)
    page = read(browser_of(member).get(rental.page))
    every = ("restore", "retry", "download", "cancel", "delete", "rename", "lock")
    assert {name for name in every if page.has(id=f"{name}-{backup.id}")} == offered


def test_pages_of_the_list_lead_to_each_other(rental, owner, monkeypatch):
    monkeypatch.setattr(overview, "PAGE_SIZE", 2)
    for number in range(5):
        backup = rental.stored(name=f"n{number}")
        Backup.objects.filter(id=backup.id).update(created_at=timezone.now() - timedelta(hours=number))
    seen, path = [], rental.page
    while path:
        answer = owner.get(path)
        seen.append(names(answer))
        older = read(answer).all("a", rel="next")
        path = older[0]["href"] if older else ""
    assert seen == [["n0", "n1"], ["n2", "n3"], ["n4"]]
    newer = read(answer).one("a", rel="prev")["href"]
    assert names(owner.get(newer)) == ["n2", "n3"]


def test_the_part_of_another_page_is_that_page(rental, owner, monkeypatch):
    monkeypatch.setattr(overview, "PAGE_SIZE", 1)
    rental.failed(name="older")
    rental.failed(name="newer")
    second = read(owner.get(f"{rental.page}?status=failed")).one("a", rel="next")["href"]
    answer = owner.get(second)
    assert names(answer) == ["older"]
    polled = read(answer).one(id="backups")["hx-get"]
    assert owner.get(polled).status_code == 204
    Backup.objects.filter(name="older").update(name="oldest")
    assert names(owner.get(polled)) == ["oldest"]


@pytest.mark.parametrize(
    ("status", "listed"),
    [
        ("", {"good", "bad", "busy"}),
        ("ready", {"good"}),
        ("failed", {"bad"}),
        ("active", {"busy"}),
        ("nonsense", {"good", "bad", "busy"}),
        ("creating", {"good", "bad", "busy"}),
        ("%00", {"good", "bad", "busy"}),
    ],
)
def test_the_list_is_narrowed_by_status_and_an_unknown_one_is_all(status, listed, rental, owner):
    rental.stored(name="good")
    rental.failed(name="bad")
    Backup.objects.filter(id=rental.begun().id).update(name="busy")
    page = owner.get(f"{rental.page}?status={status}")
    assert set(names(page)) == listed
    chosen = [link.text for link in read(page).one(class_="filters").all("a", aria_current="true")]
    assert len(chosen) == 1
    assert (chosen == ["All"]) == (len(listed) == 3)


def test_status_without_backups_is_reported_and_all_can_be_shown(rental, owner):
    rental.stored()
    page = read(owner.get(f"{rental.page}?status=failed"))
    assert page.one(class_="empty").text == "No backup matches"
    assert page.one(class_="filters").all("a")[0]["href"] == rental.page


@pytest.mark.parametrize("cursor", ["x", "%00", "b2xk", "ü", "=" * 5000])
def test_a_cursor_that_is_none_is_an_error_that_says_so(cursor, rental, owner):
    for path in (rental.page, rental.region):
        answer = owner.get(f"{path}?cursor={cursor}")
        assert answer.status_code == 400
        page = read(answer)
        assert page.one("h1").text == "Invalid request"
        assert page.one(id="main").one("a", class_="primary")["href"] == rental.page
        assert answer["X-Request-ID"] in page.text


def test_backup_of_a_former_primary_server_is_still_listed(rental, owner):
    backup = rental.stored()
    rental.server.is_primary = False
    rental.server.save()
    assert names(owner.get(rental.page)) == [backup.name]
    assert owner.get(rental.at(backup)).status_code == 200


def test_deleted_backup_is_not_listed(rental, owner):
    rental.stored(deleted_at=timezone.now())
    BackupFactory()
    assert read(owner.get(rental.page)).one(class_="empty").has("h3")


def away(answer):
    return "Our workers are away." in read(answer).one(id="backups").text


@pytest.mark.parametrize(
    ("seconds", "workers", "shown"), [(None, 0, True), (31, 2, True), (5, 0, True), (5, 1, False), (0, 2, False)]
)
def test_missing_workers_are_reported_while_no_supervisor_has_any(seconds, workers, shown, rental, owner):
    if seconds is not None:
        supervisor = SupervisorFactory(workers_alive=workers)
        type(supervisor).objects.update(seen_at=timezone.now() - timedelta(seconds=seconds))
    assert away(owner.get(rental.page)) == shown
    assert away(owner.get(rental.region)) == shown
