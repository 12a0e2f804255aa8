"""The bytes of backups: logical, added, unique, stored; samples by the hour, and the limit of a plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connections

from backups.errors import OperationInProgress, QuotaExceeded
from backups.models import Backup, UsageSample
from backups.services import usage
from backups.services.usage import shares_of, usage_sample
from backups.usage import order_used, usage_history
from common.errors import ApplicationError
from orders.models import ByteMeasure, Plan
from repository.chunked.maintenance.usage import Group, Usage
from tests.factories import OrderFactory, ProvisionFactory, UsageSampleFactory, UserFactory
from tests.world.clients import client_of
from vault.models import Repository, StorageTarget

MIB = 1 << 20
HOUR = timedelta(hours=1)


def at(monkeypatch, moment):
    monkeypatch.setattr(usage, "database_now", lambda: moment)
    return usage_sample()


NOON = datetime(2026, 5, 2, 12, 20, tzinfo=UTC)


def sample_of(order):
    newest = UsageSample.objects.filter(order=order).latest("at")
    return newest.backups, newest.logical_bytes, newest.unique_bytes, newest.stored_bytes


def near(value, expected):
    """Manifests and roots come on top."""
    return expected <= value < expected + 8000


def test_what_backups_share_is_divided_between_them(snapshots):
    first = snapshots.snapshot()
    snapshots.write(d=400_000)
    second = snapshots.snapshot()
    assert usage_sample() == 1
    for backup in (first, second):
        backup.refresh_from_db()
    assert near(first.fair_bytes, 250_000)
    assert near(first.unique_bytes, 0)
    assert near(second.fair_bytes, 650_000)
    assert near(second.unique_bytes, 400_000)
    row = snapshots.row
    assert (row.logical_bytes, row.unused_bytes) == (500_005 + 900_005, 0)
    assert near(row.distinct_bytes, 900_005)
    assert 0 <= row.stored_bytes - first.fair_bytes - second.fair_bytes < 10_000
    backups, logical, unique, stored = sample_of(snapshots.order)
    assert (backups, logical, stored) == (2, 1_400_010, first.fair_bytes + second.fair_bytes)
    assert near(unique, 900_000)


def test_orders_of_one_customer_pay_half_of_what_both_use(snapshots):
    other = ProvisionFactory(order=OrderFactory(customer=snapshots.order.customer))
    snapshots.snapshot()
    snapshots.write(d=400_000)
    snapshots.snapshot(server=other)
    assert usage_sample() == 2
    mine, theirs = sample_of(snapshots.order), sample_of(other.order)
    assert near(mine[3], 250_000)
    assert near(theirs[3], 650_000)
    assert near(mine[2], 0)
    assert near(theirs[2], 400_000)


def test_shares_add_up_to_the_last_byte():
    a, b, c = b"a", b"b", b"c"
    groups = [Group((a, b, c), 0, 100), Group((a,), 0, 7), Group((b, c), 0, 33)]
    shares = shares_of(Usage(logical=0, unique=0, stored=0, dead=0, snapshots={a: 1, b: 1, c: 1}, groups=groups))
    assert sum(share.fair for share in shares.values()) == 140
    assert {name: share.unique for name, share in shares.items()} == {a: 7, b: 0, c: 0}
    assert max(shares[b].fair, shares[c].fair) - min(shares[b].fair, shares[c].fair) <= 2


def test_an_archive_shares_nothing(snapshots):
    backup = snapshots.stored(added_bytes=500)
    usage_sample()
    backup.refresh_from_db()
    assert (backup.fair_bytes, backup.unique_bytes) == (500, 500)
    assert sample_of(snapshots.order) == (1, backup.size_bytes, 500, 500)


def test_one_sample_an_hour_and_one_more_when_all_is_deleted(snapshots, monkeypatch):
    backup = snapshots.snapshot()
    assert [at(monkeypatch, NOON + HOUR * number / 2) for number in range(4)] == [1, 1, 1, 1]
    assert UsageSample.objects.count() == 2
    snapshots.delete(backup)
    at(monkeypatch, NOON + 2 * HOUR)
    assert sample_of(snapshots.order) == (0, 0, 0, 0)
    at(monkeypatch, NOON + 3 * HOUR)
    assert UsageSample.objects.count() == 3


def test_a_repository_is_measured_again_only_when_its_backups_changed(snapshots, monkeypatch):
    snapshots.snapshot()
    measured = []
    found = usage.repository_usage
    monkeypatch.setattr(usage, "repository_usage", lambda opened: measured.append(1) or found(opened))
    at(monkeypatch, NOON)
    at(monkeypatch, NOON + HOUR)
    assert len(measured) == 1
    snapshots.snapshot()
    at(monkeypatch, NOON + 2 * HOUR)
    assert len(measured) == 2
    at(monkeypatch, NOON + 27 * HOUR)
    assert len(measured) == 3


def test_a_storage_that_is_away_leaves_the_last_numbers(snapshots, monkeypatch):
    snapshots.snapshot()
    at(monkeypatch, NOON)
    before = sample_of(snapshots.order)
    StorageTarget.objects.update(options={"root": "/nonexistent"})
    at(monkeypatch, NOON + 25 * HOUR)
    assert sample_of(snapshots.order) == before
    assert Repository.objects.get().sampled_at == NOON


def test_samples_of_hours_become_those_of_days_and_go_after_two_years(db, monkeypatch):
    order = OrderFactory()
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    for days, hour in [(0, 0), (700, 0), (700, 5), (830, 0), (830, 5)]:
        UsageSampleFactory(order=order, at=begin + timedelta(days=days, hours=hour))
    at(monkeypatch, begin + timedelta(days=840))
    kept = [(sample.at - begin).total_seconds() / 3600 for sample in UsageSample.objects.order_by("at")]
    assert kept == [700 * 24, 830 * 24, 830 * 24 + 5]


def limited(rental, measure, limit):
    Plan.objects.update(byte_limit=limit, byte_measure=measure)
    rental.order.refresh_from_db()


@pytest.mark.parametrize(("measure", "counted"), [(ByteMeasure.LOGICAL, 1_000_010), (ByteMeasure.STORED, 500_000)])
def test_the_limit_counts_what_the_plan_says(measure, counted, snapshots):
    snapshots.snapshot()
    snapshots.snapshot()
    snapshots.stored(is_safety=True, size_bytes=90 * MIB, content_bytes=90 * MIB, added_bytes=90 * MIB)
    usage_sample()
    used = order_used(snapshots.order).counted(measure)
    assert counted <= used < counted + 8000
    limited(snapshots, measure, used)
    with pytest.raises(QuotaExceeded) as caught:
        snapshots.create()
    assert caught.value.params == {"limit_bytes": used, "used_bytes": used}
    assert "Your plan allows" in caught.value.detail
    limited(snapshots, measure, used + 1)
    snapshots.create()


def test_a_backup_that_was_not_sampled_counts_what_it_added(snapshots):
    backup = snapshots.snapshot()
    assert order_used(snapshots.order).stored == backup.added_bytes
    assert order_used(snapshots.order).logical == 500_005


def test_no_limit_by_default(snapshots):
    assert Plan().byte_limit is None
    snapshots.stored(content_bytes=1 << 60)
    snapshots.create()


def test_the_quota_is_a_conflict_over_the_api(snapshots):
    snapshots.stored(content_bytes=5 * MIB)
    limited(snapshots, ByteMeasure.LOGICAL, 5 * MIB)
    path = f"/api/v1/orders/{snapshots.order.id}/provisions/{snapshots.server.id}/backups/"
    answer = client_of(snapshots.owner).post(path, {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")


def test_two_creates_at_once_do_not_both_pass_the_limit(snapshots):
    """Under the order's lock the second one sees the first, whatever the plan counts."""
    snapshots.stored(content_bytes=5 * MIB - 1)
    limited(snapshots, ByteMeasure.LOGICAL, 5 * MIB)
    ready, said = Barrier(2), []

    def create():
        try:
            ready.wait()
            snapshots.create()
            said.append("made")
        except ApplicationError as error:
            said.append(type(error))
        finally:
            connections.close_all()

    threads = [Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, said)) == sorted(map(str, ["made", OperationInProgress]))
    made = Backup.objects.filter(status="creating")
    assert made.count() == 1


def usage_path(order, query=""):
    return f"/api/v1/orders/{order.id}/usage/{query}"


def test_samples_are_listed_between_two_times(rental):
    begin = datetime(2026, 5, 1, tzinfo=UTC)
    for hour in range(5):
        UsageSampleFactory(order=rental.order, at=begin + hour * HOUR, stored_bytes=hour)
    UsageSampleFactory(at=begin)
    client = client_of(rental.owner)
    everything = client.get(usage_path(rental.order)).json()
    assert (everything["next"], everything["previous"], len(everything["results"])) == (None, None, 5)
    assert everything["results"][0] == {
        "at": "2026-05-01T00:00:00Z", "backups": 1, "logical_bytes": 100, "unique_bytes": 60, "stored_bytes": 0,
    }  # fmt: skip
    part = client.get(usage_path(rental.order, "?from=2026-05-01T01:00:00Z&to=2026-05-01T03:00:00Z")).json()
    assert [sample["stored_bytes"] for sample in part["results"]] == [1, 2]


@pytest.mark.parametrize("query", ["?from=yesterday", "?to=2026-13-01T00:00:00Z"])
def test_times_that_are_none_are_refused_by_their_name(query, rental):
    answer = client_of(rental.owner).get(usage_path(rental.order, query))
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [query[1:].partition("=")[0]])


def test_long_lists_come_in_pages(rental, monkeypatch):
    monkeypatch.setattr("backups.api.usage.PAGE_SIZE", 2)
    begin = datetime(2026, 5, 1, tzinfo=UTC)
    for hour in range(5):
        UsageSampleFactory(order=rental.order, at=begin + hour * HOUR, stored_bytes=hour)
    client, address, seen = client_of(rental.owner), usage_path(rental.order), []
    while address:
        page = client.get(address).json()
        seen += [sample["stored_bytes"] for sample in page["results"]]
        address = page["next"]
    assert seen == [0, 1, 2, 3, 4]


def test_usage_of_another_customer_is_not_found(rental):
    assert client_of(UserFactory()).get(usage_path(rental.order)).status_code == 404


def test_the_chart_shows_days_and_of_a_young_order_hours(rental):
    now = datetime(2026, 5, 10, 7, 30, tzinfo=UTC)
    for hour in range(3):
        UsageSampleFactory(order=rental.order, at=now.replace(hour=5 + hour, minute=0), stored_bytes=hour)
    assert [stored for _, stored in usage_history(rental.order, now)] == [0, 1, 2]
    for day in (7, 8, 9):
        UsageSampleFactory(order=rental.order, at=datetime(2026, 5, day, tzinfo=UTC), stored_bytes=day)
    assert [stored for _, stored in usage_history(rental.order, now)] == [7, 8, 9, 2]
