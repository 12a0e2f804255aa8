"""Operations: progress, cancel, reprovision."""

from __future__ import annotations

from uuid import uuid4

import pytest

from backups import kinds
from backups.models import BackupStatus
from operations.models import Operation, OperationState
from tests.api.problems import assert_problem
from tests.api.test_orders import NO_IDS
from tests.factories import BackupFactory, OperationFactory, OrderUserPermissionFactory
from tests.world.clients import client_of


def url(operation, rest=""):
    return f"/api/v1/operations/{operation.id}/{rest}"


def test_an_operation_shows_how_far_it_is(rental, client):
    running = OperationFactory(
        order=rental.order, state=OperationState.RUNNING, phase="upload", bytes_done=250, bytes_total=1000, rate=100
    )
    body = client.get(url(running)).json()
    assert set(body) == {
        *("id", "kind", "state", "bytes_done", "bytes_total", "rate", "eta_seconds", "volume", "error", "warnings"),
        *("order", "phase", "created_at", "started_at", "finished_at", "expires_at", "stays"),
    }
    assert (body["bytes_done"], body["rate"], body["eta_seconds"], body["phase"]) == (250, 100, 8, "upload")
    assert (body["order"], body["error"], body["finished_at"]) == (str(rental.order.id), None, None)


@pytest.mark.parametrize(
    ("values", "eta"),
    [
        ({"bytes_total": None, "rate": 100}, None),
        ({"bytes_total": 1000, "rate": 0}, None),
        ({"bytes_total": 1000, "rate": 100, "bytes_done": 999}, 1),
        ({"bytes_total": 1000, "rate": 100, "bytes_done": 2000}, 0),
        ({"bytes_total": 1000, "rate": 100, "state": OperationState.SUCCEEDED}, None),
    ],
)
def test_remaining_time_is_given_only_when_known(values, eta, rental, client):
    operation = OperationFactory(order=rental.order, **{"state": OperationState.RUNNING, **values})
    assert client.get(url(operation)).json()["eta_seconds"] == eta


def test_a_failure_is_a_code_and_a_sentence(rental, client):
    failed = OperationFactory(order=rental.order, state=OperationState.FAILED, error_code="archive_damaged")
    error = client.get(url(failed)).json()["error"]
    assert error["code"] == "archive_damaged"
    assert "damaged" in error["detail"]


def test_a_code_of_another_release_still_reads_as_something(rental, client):
    failed = OperationFactory(order=rental.order, state=OperationState.FAILED, error_code="from_the_future")
    error = client.get(url(failed)).json()["error"]
    assert error["code"] == "from_the_future"
    assert error["detail"]


@pytest.mark.parametrize("operation", [*NO_IDS, str(uuid4())])
def test_an_operation_that_is_not_there(operation, client):
    assert_problem(client.get(f"/api/v1/operations/{operation}/"), 404, "operation_not_found")
    assert_problem(client.post(f"/api/v1/operations/{operation}/cancel/"), 404, "operation_not_found")


def test_foreign_operation_is_a_404(rental, outsider):
    operation = OperationFactory(order=rental.order)
    assert_problem(outsider.get(url(operation)), 404, "operation_not_found")
    assert_problem(outsider.post(url(operation, "cancel/")), 404, "operation_not_found")


def test_a_queued_create_that_is_cancelled_ends_failed(rental, client):
    created = client.post(rental.backups).json()
    operation = Operation.objects.get()
    response = client.post(url(operation, "cancel/"))
    assert response.status_code == 202
    assert response.json()["state"] == "cancelled"
    assert response.json()["error"]["code"] == "cancelled"
    assert client.get(f"{rental.backups}{created['id']}/").json()["status"] == BackupStatus.FAILED


def test_a_running_operation_is_asked_to_stop(rental, client):
    backup = BackupFactory(provision=rental.server, creating=True)
    operation = OperationFactory(order=rental.order, state=OperationState.RUNNING, subject=backup)
    response = client.post(url(operation, "cancel/"))
    assert response.status_code == 202
    assert response.json()["state"] == "running"
    operation.refresh_from_db()
    assert operation.cancel_requested_at is not None


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_finished_operation_cannot_be_cancelled(state, rental, client):
    operation = OperationFactory(order=rental.order, state=state)
    assert_problem(client.post(url(operation, "cancel/")), 409, "status_conflict")


def test_cancel_needs_the_right_for_the_operation(rental):
    member = OrderUserPermissionFactory(content_object=rental.order, right="create_backup").user
    backup = BackupFactory(provision=rental.server, restoring=True)
    restore = OperationFactory(order=rental.order, kind="restore", state="running", subject=backup)
    assert_problem(client_of(member).post(url(restore, "cancel/")), 403, "permission_denied")


@pytest.mark.parametrize(
    ("scope", "kind", "status"),
    [("create", "create", 202), ("create", "restore", 403), ("restore", "restore", 202), ("restore", "create", 403)],
)
def test_cancel_needs_the_scope_for_the_operation(scope, kind, status, rental):
    backup = BackupFactory(provision=rental.server, **{"creating" if kind == "create" else "restoring": True})
    operation = OperationFactory(order=rental.order, kind=kind, state="running", subject=backup)
    client = client_of(rental.owner, scopes=(scope,))
    assert client.post(url(operation, "cancel/")).status_code == status


def test_a_reprovision_holds_the_order_until_it_is_cancelled(rental, client):
    response = client.post(f"/api/v1/orders/{rental.order.id}/reprovision/")
    assert response.status_code == 202
    body = response.json()
    assert (body["kind"], body["state"]) == ("reprovision", "running")
    assert body["expires_at"] is not None
    assert client.get(response["Location"]).json() == body
    assert_problem(client.post(rental.backups), 409, "operation_in_progress")
    assert client.post(f"/api/v1/operations/{body['id']}/cancel/").status_code == 202
    assert client.post(rental.backups).status_code == 202


def test_a_reprovision_waits_for_a_backup(rental, client):
    client.post(rental.backups)
    response = client.post(f"/api/v1/orders/{rental.order.id}/reprovision/")
    assert_problem(response, 409, "backup_in_progress")
    assert not Operation.objects.filter(kind=kinds.REPROVISION.name).exists()


def test_a_reprovision_without_the_right(rental):
    member = OrderUserPermissionFactory(content_object=rental.order, right="view_order").user
    response = client_of(member).post(f"/api/v1/orders/{rental.order.id}/reprovision/")
    assert_problem(response, 403, "permission_denied")
