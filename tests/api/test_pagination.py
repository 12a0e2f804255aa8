"""Pagination: every row once, even with equal times, and at a constant cost."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from backups.models import Backup
from common.api import pagination
from tests.api.problems import assert_problem
from tests.api.queries import queries_of
from tests.factories import BackupFactory, OperationFactory, OrderFactory, ProvisionFactory

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(pagination, "PAGE_SIZE", 3)


def walk(client, path, direction="next"):
    pages = []
    while path:
        body = client.get(path).json()
        pages.append([row["id"] for row in body["results"]])
        path = body[direction]
    return pages


def last_page(client, path):
    while True:
        body = client.get(path).json()
        if body["next"] is None:
            return body
        path = body["next"]


@pytest.mark.parametrize("minutes", [1, 0], ids=["times apart", "all at the same time"])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 10])
def test_next_leads_through_every_row_once_newest_first(count, minutes, rental, client):
    for number in range(count):
        backup = BackupFactory(provision=rental.server)
        Backup.objects.filter(id=backup.id).update(created_at=NOW + timedelta(minutes=number * minutes))
    pages = walk(client, rental.backups)
    expected = [str(backup.id) for backup in Backup.objects.order_by("-created_at", "-id")]
    assert [row for page in pages for row in page] == expected
    assert all(len(page) <= 3 for page in pages)


@pytest.mark.parametrize("minutes", [1, 0])
def test_previous_leads_back_through_the_same_rows(minutes, rental, client):
    for number in range(8):
        backup = BackupFactory(provision=rental.server)
        Backup.objects.filter(id=backup.id).update(created_at=NOW + timedelta(minutes=number * minutes))
    forwards = [row for page in walk(client, rental.backups) for row in page]
    last = last_page(client, rental.backups)
    back = walk(client, last["previous"], "previous")
    before_last = [row for page in reversed(back) for row in page]
    assert before_last + [row["id"] for row in last["results"]] == forwards


def test_the_first_page_has_no_previous_and_the_last_no_next(rental, client):
    BackupFactory.create_batch(4, provision=rental.server)
    first = client.get(rental.backups).json()
    second = client.get(first["next"]).json()
    assert first["previous"] is None
    assert second["next"] is None
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_a_row_that_appears_meanwhile_moves_nothing(rental, client):
    BackupFactory.create_batch(5, provision=rental.server)
    first = client.get(rental.backups).json()
    BackupFactory(provision=rental.server)
    second = client.get(first["next"]).json()
    seen = [row["id"] for row in first["results"] + second["results"]]
    assert len(set(seen)) == 5


def _encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "ü",
        "%00",
        _encoded("o 2026-11-21T00:00:00+00:00"),
        _encoded("o never 6f6f1f5e-0000-4000-8000-000000000000"),
        _encoded("x 2026-11-21T00:00:00+00:00 6f6f1f5e-0000-4000-8000-000000000000"),
        _encoded("o 2026-11-21T00:00:00+00:00 nobody"),
        _encoded("o 0001-01-01T00:00:00+14:00 6f6f1f5e-0000-4000-8000-000000000000"),
    ],
)
def test_a_cursor_that_is_none_is_refused(cursor, rental, client):
    problem = assert_problem(client.get(f"{rental.backups}?cursor={cursor}"), 400, "validation_error")
    assert set(problem["errors"]) == {"cursor"}


def test_the_cost_of_a_list_does_not_grow_with_it(rental, client, monkeypatch):
    monkeypatch.setattr(pagination, "PAGE_SIZE", 100)

    def fill():
        for _ in range(3):
            OperationFactory(order=rental.order, subject=BackupFactory(provision=rental.server))
        for number in range(3):
            order = OrderFactory(customer=rental.order.customer)
            ProvisionFactory(order=rental.order, kind="volume", name=f"v{number}", is_primary=False)
            ProvisionFactory(order=order)

    paths = [rental.backups, "/api/v1/orders/", f"/api/v1/orders/{rental.order.id}/provisions/"]
    fill()
    client.get("/api/v1/orders/")
    few = [queries_of(client, path) for path in paths]
    fill()
    fill()
    many = [queries_of(client, path) for path in paths]
    assert many == few
    assert max(many) <= 7
