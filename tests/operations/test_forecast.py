"""The growth of an order's backups: its rate, the day of its limit, and what each schedule added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from backups.forecast import rate_of, reached_at
from backups.models import UsageSample
from orders.models import ByteMeasure, Plan
from schedules.web.usage import bars_of
from tests.factories import BackupFactory
from tests.factories.schedules import ScheduleFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of, client_of

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def grown(*sizes):
    return [(NOW + number * DAY, size) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        ([], None),
        (grown(5), None),
        ([(NOW, 1), (NOW + DAY / 2, 900)], None),
        (grown(0, 10, 20, 30), 10),
        (grown(30, 20, 10), -10),
        (grown(7, 7, 7), 0),
        (grown(0, 20, 0, 20), 4),
    ],
)
def test_the_rate_is_the_slope_of_the_samples(samples, rate):
    assert rate_of(samples) == (None if rate is None else pytest.approx(rate))


@pytest.mark.parametrize(
    ("used", "limit", "rate", "days"),
    [(50, 100, 10.0, 5), (100, 100, None, 0), (50, None, 10.0, None), (50, 100, 0.0, None), (50, 100, 0.001, None)],
)
def test_the_day_of_the_limit(used, limit, rate, days):
    reached = reached_at(used=used, limit=limit, rate=rate, now=NOW)
    assert reached == (None if days is None else NOW + days * DAY)


@pytest.fixture
def growing(rental):
    """Ten days of samples that grow by 1 MiB a day, a limit of 100 MiB, and backups of a schedule and by hand."""
    Plan.objects.update(byte_limit=100 << 20, byte_measure=ByteMeasure.STORED)
    rental.order.plan.refresh_from_db()
    schedule = ScheduleFactory(order=rental.order, name="Nightly <b>")
    now = datetime.now(UTC)
    for number in range(11):
        UsageSample.objects.create(
            order=rental.order, at=now - (10 - number) * DAY, backups=number, logical_bytes=0, unique_bytes=0,
            stored_bytes=number << 20,
        )  # fmt: skip
    for added in (3 << 20, 1 << 20):
        rental.stored(schedule_id=schedule.id, added_bytes=added, fair_bytes=added)
    rental.stored(schedule_id=uuid4(), added_bytes=2 << 20, fair_bytes=2 << 20)
    rental.stored(added_bytes=4 << 20, fair_bytes=4 << 20)
    return schedule


def test_the_api_tells_rate_limit_and_what_each_schedule_added(rental, growing):
    told = client_of(rental.owner).get(f"/api/v1/orders/{rental.order.id}/usage/forecast/").json()
    assert (told["used_bytes"], told["byte_limit"], told["bytes_per_day"]) == (10 << 20, 100 << 20, 1 << 20)
    reached = datetime.fromisoformat(told["reached_at"])
    assert abs(reached - datetime.now(UTC) - 90 * DAY) < timedelta(hours=1)
    by_schedule = {row["schedule"]: (row["backups"], row["added_bytes"]) for row in told["added"]}
    assert by_schedule[str(growing.id)] == (2, 4 << 20)
    assert by_schedule[None] == (1, 4 << 20)


def test_the_page_shows_numbers_and_a_picture(rental, growing):
    answer = browser_of(rental.owner).get(f"/orders/{rental.order.id}/usage/")
    page = read(answer)
    assert "grow by 1 MiB a day" in page.one(id="forecast").text
    assert "the limit is reached on" in page.one(id="forecast").text
    assert len(page.all("rect")) == 4
    tall = [float(bar["height"]) for bar in page.all("rect")]
    assert max(tall) == 120
    assert "style=" not in answer.content.decode()
    named = [cell.text for cell in page.all("th", scope="row")]
    assert {"Nightly <b>", "A deleted schedule", "By hand"} <= set(named)


def test_a_young_order_has_no_rate_yet(rental):
    rental.stored()
    page = read(browser_of(rental.owner).get(f"/orders/{rental.order.id}/usage/"))
    assert "The rate is known once" in page.one(id="forecast").text


def test_an_order_without_backups_has_an_empty_page(rental):
    page = read(browser_of(rental.owner).get(f"/orders/{rental.order.id}/usage/"))
    assert "No backups yet" in page.one(class_="empty").text


def test_a_backup_that_added_nothing_is_seen(db):
    small, large = BackupFactory.build(added_bytes=0), BackupFactory.build(added_bytes=10)
    assert [bar.height for bar in bars_of([small, large])] == ["1.00", "120.00"]
    assert bars_of([small]) == []


@pytest.mark.parametrize(
    ("sizes", "told", "shown"),
    [
        ([None], None, "Not known yet"),
        ([None, None], None, "Not known yet"),
        ([None, 3 << 20], 3 << 20, "3 MiB"),
        ([0], 0, "0 bytes"),
    ],
)
def test_what_is_not_known_is_not_shown_as_nothing(sizes, told, shown, rental):
    for added in sizes:
        rental.stored(added_bytes=added)
    owner = rental.order.customer.owner
    answer = client_of(owner).get(f"/api/v1/orders/{rental.order.id}/usage/forecast/").json()
    assert [row["added_bytes"] for row in answer["added"]] == [told]
    page = read(browser_of(owner).get(f"{rental.page}usage/"))
    assert shown in page.all("tbody")[0].text
