"""The metrics: every series from the first scrape on, in the text format of Prometheus."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from backups import kinds
from backups.models import Backup, Finding
from operations.models import Operation, OperationState, Supervisor
from orders.services.orders import order_delete
from schedules.services.protection import protection_refresh
from tests.factories import (
    AssetFactory,
    BackupFactory,
    FindingFactory,
    OperationFactory,
    ScheduleFactory,
    SupervisorFactory,
)

OVER = ["succeeded", "failed", "cancelled"]


@pytest.fixture
def client(db):
    """A client on this machine."""
    return Client()


def scrape(client):
    """Every sample by its name and labels; labels are sorted by name."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(response.content.decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_series_is_there_from_the_first_scrape_on(client):
    names = [kind.name for kind in kinds.KINDS]
    total = {("savepoint_operations_total", kind, result, "files") for kind in names for result in OVER}
    live = {("savepoint_operations_live", kind, state) for kind in names for state in ("queued", "running")}
    backups = {("savepoint_backups", status) for status in ("creating", "ready", "failed", "restoring")}
    findings = {("savepoint_findings", invariant) for invariant in ("I1", "I3", "I4", "I5", "I6", "I7")}
    single = {(f"savepoint_{name}",) for name in ("workers_alive", "oldest_queued_seconds", "stored_bytes")}
    orders = {("savepoint_orders", state) for state in ("protected", "at_risk", "unprotected")}
    schedules = {("savepoint_schedules", state) for state in ("active", "paused", "broken")}
    schedules |= {("savepoint_schedule_runs", state) for state in ("due", "running")}
    single |= {("savepoint_orders_absent",), ("savepoint_schedule_late_seconds",)}
    assert scrape(client) == dict.fromkeys(total | live | backups | findings | single | orders | schedules, 0)


def test_orders_and_schedules_are_counted_by_their_state(client):
    order = BackupFactory().order
    ScheduleFactory(order=order, next_due_at=timezone.now() - timedelta(minutes=20))
    ScheduleFactory(order=order, paused=True, next_due_at=None)
    ScheduleFactory(order=order, broken=True)
    protection_refresh()
    found = scrape(client)
    assert [found["savepoint_orders", state] for state in ("protected", "at_risk", "unprotected")] == [0, 1, 0]
    assert [found["savepoint_schedules", state] for state in ("active", "paused", "broken")] == [1, 1, 1]
    assert 1200 <= found["savepoint_schedule_late_seconds",] < 1260


def test_operations_are_counted_by_how_they_stand(client):
    OperationFactory.create_batch(2)
    OperationFactory(state=OperationState.FAILED, kind=kinds.RESTORE.name)
    OperationFactory(state=OperationState.RUNNING)
    found = scrape(client)
    assert found["savepoint_operations_total", "create", "succeeded", "files"] == 2
    assert found["savepoint_operations_total", "restore", "failed", "files"] == 1
    assert found["savepoint_operations_live", "create", "running"] == 1
    assert sum(value for name, value in found.items() if name[0].startswith("savepoint_operations")) == 4


def test_count_of_operations_survives_the_deletion_of_a_backup(client):
    backup = BackupFactory()
    OperationFactory(order=backup.order, subject=backup)
    before = scrape(client)["savepoint_operations_total", "create", "succeeded", "files"]
    Backup.objects.all().delete()
    assert scrape(client)["savepoint_operations_total", "create", "succeeded", "files"] == before == 1


def test_the_count_of_operations_does_not_fall_with_their_orders(client):
    for kind in ("create", "create", "restore"):
        order_delete(order=OperationFactory(kind=kind).order, actor=None)
    OperationFactory()
    assert Operation.objects.count() == 1
    found = scrape(client)
    assert found["savepoint_operations_total", "create", "succeeded", "files"] == 3
    assert found["savepoint_operations_total", "restore", "succeeded", "files"] == 1


def test_backups_and_their_bytes_are_counted(client):
    BackupFactory(asset=AssetFactory(content=b"12345"))
    BackupFactory(failed=True)
    BackupFactory(asset=AssetFactory(content=b"123"), deleted_at=timezone.now())
    found = scrape(client)
    assert (found["savepoint_backups", "ready"], found["savepoint_backups", "failed"]) == (1, 1)
    assert found["savepoint_stored_bytes",] == 8


def test_findings_that_are_open_and_count_are_counted(client):
    FindingFactory.create_batch(2)
    FindingFactory(confirmed_at=None, invariant="I6")
    FindingFactory(gone_at=timezone.now(), invariant="I6")
    found = scrape(client)
    assert (found["savepoint_findings", "I1"], found["savepoint_findings", "I6"]) == (2, 0)
    assert Finding.objects.count() == 4


def test_workers_of_all_live_supervisors_are_counted(client):
    SupervisorFactory.create_batch(2, workers_alive=3)
    SupervisorFactory(workers_alive=7)
    silent = Supervisor.objects.filter(workers_alive=7)
    silent.update(seen_at=timezone.now() - timedelta(seconds=40))
    assert scrape(client)["savepoint_workers_alive",] == 6


def test_how_long_the_oldest_waits_is_counted_in_seconds(client):
    OperationFactory(state=OperationState.QUEUED)
    Operation.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    OperationFactory(state=OperationState.QUEUED, not_before=timezone.now() + timedelta(hours=1))
    assert 300 <= scrape(client)["savepoint_oldest_queued_seconds",] < 330
    Operation.objects.filter(not_before=None).update(state="running", fence=1)
    assert scrape(client)["savepoint_oldest_queued_seconds",] == 0


def test_a_scrape_costs_the_same_however_much_there_is(client, django_assert_num_queries):
    BackupFactory.create_batch(3)
    OperationFactory.create_batch(3)
    FindingFactory.create_batch(3)
    with django_assert_num_queries(14):
        scrape(client)


def test_unresponsive_database_is_reported(client, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setitem(connection.settings_dict, "NAME", "/nonexistent/nothing")
    # A thread has its own connection, which it must open.
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(client.get, "/metrics").result()
    assert (response.status_code, response.headers["Retry-After"]) == (503, "10")
