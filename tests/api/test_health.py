"""The health checks for operators and load balancers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from operations.models import Operation, OperationState, Supervisor
from schedules.models import Schedule
from tests.factories import ChoreRunFactory, OperationFactory, ScheduleFactory, SupervisorFactory


@pytest.fixture
def client(db):
    """An anonymous client: a probe has no token."""
    return Client()


def test_the_process_lives(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "reasons": []})


def test_pages_can_be_served(client):
    assert client.get("/readyz").json() == {"status": "ok", "reasons": []}


def test_unapplied_migration_is_reported(client):
    MigrationRecorder(connection).record_unapplied("backups", "0001_initial")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["1 migrations are not applied."]
    assert client.get("/healthz").status_code == 503
    assert client.get("/livez").status_code == 200


def test_healthy_portal_is_ok(client):
    SupervisorFactory()
    OperationFactory(state=OperationState.QUEUED)
    assert client.get("/healthz").json() == {"status": "ok", "reasons": []}


def test_missing_supervisor_is_reported_and_pages_still_work(client):
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json() == {"status": "failing", "reasons": ["No supervisor of workers is running."]}
    assert client.get("/readyz").status_code == 200


def test_a_supervisor_that_fell_silent_is_none(client):
    SupervisorFactory()
    Supervisor.objects.update(seen_at=timezone.now() - timedelta(seconds=40))
    assert client.get("/healthz").json()["reasons"] == ["No supervisor of workers is running."]


def test_supervisor_without_workers_is_reported(client):
    SupervisorFactory(workers_alive=0)
    assert client.get("/healthz").json()["reasons"] == ["No supervisor has a living worker."]
    SupervisorFactory(workers_alive=1)
    assert client.get("/healthz").status_code == 200


def test_late_tick_is_reported_once_the_supervisor_had_time_for_one(client):
    SupervisorFactory()
    assert client.get("/healthz").status_code == 200
    Supervisor.objects.update(started_at=timezone.now() - timedelta(minutes=8))
    assert client.get("/healthz").json()["reasons"] == ["The tick is late: no chore was requested for minutes."]
    ChoreRunFactory(requested_at=timezone.now() - timedelta(minutes=8))
    assert client.get("/healthz").status_code == 503
    ChoreRunFactory()
    assert client.get("/healthz").status_code == 200


def test_due_schedule_that_nothing_looks_at_is_reported(client):
    SupervisorFactory()
    schedule = ScheduleFactory(next_due_at=timezone.now() - timedelta(minutes=9))
    assert client.get("/healthz").status_code == 200
    Schedule.objects.filter(id=schedule.id).update(next_due_at=timezone.now() - timedelta(minutes=45))
    assert client.get("/healthz").json()["reasons"] == ["The oldest due schedule has waited for 45 minutes."]


def test_backlog_is_reported_in_minutes(client):
    SupervisorFactory()
    OperationFactory(state=OperationState.QUEUED)
    Operation.objects.update(created_at=timezone.now() - timedelta(minutes=75))
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["The oldest queued operation has waited for 75 minutes."]


@pytest.mark.parametrize(
    "values",
    [
        {"state": OperationState.RUNNING},
        {"state": OperationState.SUCCEEDED},
        {"state": OperationState.QUEUED, "not_before": timezone.now() + timedelta(hours=1)},
    ],
    ids=["running", "over", "for later"],
)
def test_operation_not_yet_due_is_no_backlog(values, client):
    SupervisorFactory()
    OperationFactory(**values)
    Operation.objects.update(created_at=timezone.now() - timedelta(hours=5))
    assert client.get("/healthz").status_code == 200


def test_unresponsive_database_is_reported(client, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", "/nonexistent/nothing")
    # A thread has its own connection, which it must open.
    with ThreadPoolExecutor(1) as pool:
        answers = {path: pool.submit(client.get, path).result() for path in ("/livez", "/readyz", "/healthz")}
    assert answers["/livez"].status_code == 200
    for path in ("/readyz", "/healthz"):
        assert answers[path].status_code == 503
        assert answers[path].json()["reasons"] == ["The database does not answer."]
