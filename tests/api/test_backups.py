"""Backups: list, create, show, change, delete."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.utils import timezone

from backups import kinds
from backups.models import Backup, BackupStatus
from operations.models import Operation, OperationState
from tests.api.problems import assert_problem
from tests.api.test_orders import NO_IDS
from tests.factories import (
    BackupFactory,
    OperationFactory,
    OrderUserPermissionFactory,
    ProvisionFactory,
    UserFactory,
)
from tests.factories.backups import CONTENT
from tests.world.clients import client_of

THEN = datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC)


def test_a_backup_is_shown_as_the_contract_says(rental, client):
    backup = rental.stored(
        name="Before the patch", completed_at=THEN, verified_at=THEN, consistency="quiesced", warnings_total=2
    )
    Backup.objects.update(created_at=THEN)
    operation = OperationFactory(order=rental.order, subject=backup, bytes_done=23, bytes_total=23)
    assert client.get(rental.backup_url(backup)).json() == {
        "id": str(backup.id),
        "order": str(rental.order.id),
        "provision": str(rental.server.id),
        "name": "Before the patch",
        "status": "ready",
        "asset_id": str(backup.asset_id),
        "added_bytes": None,
        "unique_bytes": None,
        "stored_bytes": None,
        "size_bytes": len(CONTENT),
        "sha256": backup.asset.sha256,
        "created_at": "2026-11-21T10:20:30Z",
        "completed_at": "2026-11-21T10:20:30Z",
        "notes": "",
        "tags": [],
        "schedule": None,
        "locked": False,
        "safety": False,
        "expires_at": None,
        "format": "archive",
        "source": "files",
        "consistency": "quiesced",
        "warnings": 2,
        "verified_at": "2026-11-21T10:20:30Z",
        "degraded": False,
        "damaged": None,
        "proof": None,
        "collapsed": False,
        "caution": None,
        "excluded": {"entries": 0, "bytes": 0, "patterns": []},
        "operation": {
            "id": str(operation.id),
            "kind": "create",
            "state": "succeeded",
            "bytes_done": 23,
            "bytes_total": 23,
            "rate": 0,
            "eta_seconds": None,
            "volume": None,
            "warnings": 0,
            "error": None,
        },
    }


def test_unknown_values_are_null(rental, client):
    shown = client.get(rental.backup_url(BackupFactory(provision=rental.server, creating=True))).json()
    unknown = ["asset_id", "size_bytes", "sha256", "completed_at", "consistency", "verified_at", "operation"]
    assert {shown[name] for name in unknown} == {None}
    assert shown["status"] == "creating"


def test_times_are_utc_in_any_active_zone(rental, client, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    shown = client.get(rental.backup_url(rental.stored(completed_at=THEN))).json()
    assert shown["completed_at"] == "2026-11-21T10:20:30Z"


def test_the_operation_shown_is_the_newest_one(rental, client):
    backup = rental.stored()
    for state in (OperationState.SUCCEEDED, OperationState.FAILED):
        newest = OperationFactory(order=rental.order, kind=kinds.RESTORE.name, state=state, subject=backup)
    shown = client.get(rental.backups).json()["results"][0]["operation"]
    assert shown["id"] == str(newest.id)
    assert shown["error"]["code"] == "storage_unavailable"
    assert "could not be reached" in shown["error"]["detail"]


def test_create_answers_202_with_the_backup_and_where_it_is(rental, client):
    response = client.post(rental.backups, {"name": "First"})
    assert response.status_code == 202
    body = response.json()
    assert (body["name"], body["status"], body["operation"]["state"]) == ("First", "creating", "queued")
    assert response["Location"] == f"http://testserver{rental.backups}{body['id']}/"
    assert client.get(response["Location"]).json() == body


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_create_needs_no_name(body, rental, client):
    response = client.generic("POST", rental.backups, body, content_type="application/json")
    assert response.status_code == 202
    assert response.json()["name"].startswith("Backup 20")


def test_create_while_another_operation_runs_names_it(rental, client):
    running = client.post(rental.backups).json()["operation"]["id"]
    problem = assert_problem(client.post(rental.backups), 409, "operation_in_progress")
    assert running in problem["detail"]


def test_create_at_the_limit_says_the_limit(rental, client):
    rental.order.plan.backup_limit = 2
    rental.order.plan.save()
    rental.stored()
    rental.stored()
    assert "2" in assert_problem(client.post(rental.backups), 409, "limit_reached")["detail"]


def test_create_on_a_plan_without_backups(rental, client):
    rental.order.plan.has_backups = False
    rental.order.plan.save()
    assert_problem(client.post(rental.backups), 409, "plan_has_no_backups")


def test_create_on_a_suspended_order(rental, client):
    rental.order.suspended_at = timezone.now()
    rental.order.save()
    assert_problem(client.post(rental.backups), 409, "order_suspended")


def test_create_for_a_secondary_server_is_refused(rental, client):
    volume = ProvisionFactory(order=rental.order, kind="volume", is_primary=False)
    path = rental.backups.replace(str(rental.server.id), str(volume.id))
    assert_problem(client.post(path), 409, "not_a_primary_deployment")


def test_create_without_a_sidecar(rental, client):
    rental.order.provisions.filter(kind="sidecar").delete()
    assert_problem(client.post(rental.backups), 409, "no_sidecar")


def test_create_without_the_right(rental):
    member = OrderUserPermissionFactory(content_object=rental.order, right="view_order").user
    assert_problem(client_of(member).post(rental.backups), 403, "permission_denied")


def test_create_for_an_unknown_server_is_refused(rental, client, outsider):
    assert_problem(outsider.post(rental.backups), 404, "order_not_found")
    path = rental.backups.replace(str(rental.server.id), str(uuid4()))
    assert_problem(client.post(path), 404, "provision_not_found")


@pytest.mark.parametrize("backup", [*NO_IDS, str(uuid4())])
def test_a_backup_that_is_not_there(backup, rental, client):
    path = f"{rental.backups}{backup}/"
    assert_problem(client.get(path), 404, "backup_not_found")
    assert_problem(client.patch(path, {"name": "x"}), 404, "backup_not_found")
    assert_problem(client.delete(path), 404, "backup_not_found")
    assert_problem(client.post(f"{path}restore/"), 404, "backup_not_found")


def test_a_backup_under_another_order_is_not_there(rental, client):
    """The address has one's own order and another's backup, and the reverse."""
    theirs = BackupFactory()
    mine = rental.stored()
    assert_problem(client.get(rental.backup_url(theirs)), 404, "backup_not_found")
    path = f"/api/v1/orders/{theirs.order_id}/provisions/{rental.server.id}/backups/{mine.id}/"
    assert_problem(client.get(path), 404, "order_not_found")


def test_rename_and_lock_are_two_things(rental, client):
    backup = rental.stored(name="old")
    renamed = client.patch(rental.backup_url(backup), {"name": "new"})
    assert renamed.status_code == 200
    assert (renamed.json()["name"], renamed.json()["locked"]) == ("new", False)
    locked = client.patch(rental.backup_url(backup), {"locked": True})
    assert (locked.json()["name"], locked.json()["locked"]) == ("new", True)


def test_a_change_of_nothing_changes_nothing(rental, client):
    backup = rental.stored(name="old")
    before = client.get(rental.backup_url(backup)).json()
    assert client.patch(rental.backup_url(backup), {}).json() == before


def test_a_locked_backup_is_not_deleted(rental, client):
    backup = rental.stored(locked=True)
    assert_problem(client.delete(rental.backup_url(backup)), 409, "backup_locked")
    assert client.get(rental.backup_url(backup)).status_code == 200


def test_delete_takes_a_backup_off_the_list_at_once(rental, client):
    backup = rental.stored()
    response = client.delete(rental.backup_url(backup))
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(rental.backups).json()["results"] == []
    assert_problem(client.delete(rental.backup_url(backup)), 404, "backup_not_found")
    assert Operation.objects.get(kind=kinds.DELETE.name).state == OperationState.QUEUED


@pytest.mark.parametrize("busy", ["creating", "restoring"])
def test_a_busy_backup_is_not_deleted(busy, rental, client):
    backup = BackupFactory(provision=rental.server, **{busy: True})
    assert_problem(client.delete(rental.backup_url(backup)), 409, "status_conflict")


@pytest.mark.parametrize("method", ["delete", "patch"])
def test_a_member_without_the_right_changes_and_deletes_nothing(method, rental):
    member = OrderUserPermissionFactory(content_object=rental.order, right="view_order").user
    path = rental.backup_url(rental.stored(name="kept"))
    assert_problem(getattr(client_of(member), method)(path, {"name": "x"}), 403, "permission_denied")
    assert Backup.objects.get(deleted_at=None).name == "kept"


def test_restore_answers_202_and_shows_restoring(rental, client):
    backup = rental.stored()
    response = client.post(rental.backup_url(backup, "restore/"))
    assert response.status_code == 202
    assert response.json()["status"] == BackupStatus.RESTORING
    assert response["Location"] == f"http://testserver{rental.backup_url(backup)}"
    assert response.json()["operation"]["kind"] == "restore"
    assert Operation.objects.get().params["mode"] == "replace"


def test_restore_takes_a_mode(rental, client):
    client.post(rental.backup_url(rental.stored(), "restore/"), {"mode": "overlay"})
    assert Operation.objects.get().params["mode"] == "overlay"


@pytest.mark.parametrize("status", ["creating", "failed", "restoring"])
def test_only_a_ready_backup_is_restored(status, rental, client):
    backup = BackupFactory(provision=rental.server, **{status: True})
    assert_problem(client.post(rental.backup_url(backup, "restore/")), 409, "status_conflict")


def test_restore_while_another_operation_runs(rental, client):
    running = client.post(rental.backups).json()["operation"]["id"]
    problem = assert_problem(client.post(rental.backup_url(rental.stored(), "restore/")), 409, "operation_in_progress")
    assert running in problem["detail"]


def test_restore_without_the_right(rental):
    member = UserFactory()
    for right in ("view_order", "create_backup", "delete_backup"):
        OrderUserPermissionFactory(content_object=rental.order, user=member, right=right)
    response = client_of(member).post(rental.backup_url(rental.stored(), "restore/"))
    assert_problem(response, 403, "permission_denied")
