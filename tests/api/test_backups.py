"""Backups: list, create, show, change, delete."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.utils import timezone

from backups import kinds
from backups.models import Backup, BackupStatus
from operations.models import Operation, OperationState
from tests.api.conftest import client_of
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

THEN = datetime(2026, 11, 21, 10, 20, 30, tzinfo=UTC)


def test_a_backup_is_shown_as_the_contract_says(house, client):
    backup = house.stored(
        name="Before the patch", completed_at=THEN, verified_at=THEN, consistency="quiesced", warnings_total=2
    )
    Backup.objects.update(created_at=THEN)
    operation = OperationFactory(order=house.order, subject=backup, bytes_done=23, bytes_total=23)
    assert client.get(house.backup_url(backup)).json() == {
        "id": str(backup.id),
        "order": str(house.order.id),
        "provision": str(house.server.id),
        "name": "Before the patch",
        "status": "ready",
        "asset_id": str(backup.asset_id),
        "size_bytes": len(CONTENT),
        "sha256": backup.asset.sha256,
        "created_at": "2026-11-21T10:20:30Z",
        "completed_at": "2026-11-21T10:20:30Z",
        "locked": False,
        "safety": False,
        "expires_at": None,
        "format": "archive",
        "source": "files",
        "consistency": "quiesced",
        "warnings": 2,
        "verified_at": "2026-11-21T10:20:30Z",
        "degraded": False,
        "collapsed": False,
        "caution": None,
        "operation": {
            "id": str(operation.id),
            "kind": "create",
            "state": "succeeded",
            "bytes_done": 23,
            "bytes_total": 23,
            "rate": 0,
            "eta_seconds": None,
            "warnings": 0,
            "error": None,
        },
    }


def test_unknown_values_are_null(house, client):
    shown = client.get(house.backup_url(BackupFactory(provision=house.server, creating=True))).json()
    unknown = ["asset_id", "size_bytes", "sha256", "completed_at", "consistency", "verified_at", "operation"]
    assert {shown[name] for name in unknown} == {None}
    assert shown["status"] == "creating"


def test_times_are_utc_in_any_active_zone(house, client, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    shown = client.get(house.backup_url(house.stored(completed_at=THEN))).json()
    assert shown["completed_at"] == "2026-11-21T10:20:30Z"


def test_the_operation_shown_is_the_newest_one(house, client):
    backup = house.stored()
    for state in (OperationState.SUCCEEDED, OperationState.FAILED):
        newest = OperationFactory(order=house.order, kind=kinds.RESTORE.name, state=state, subject=backup)
    shown = client.get(house.backups).json()["results"][0]["operation"]
    assert shown["id"] == str(newest.id)
    assert shown["error"]["code"] == "storage_unavailable"
    assert "could not be reached" in shown["error"]["detail"]


def test_create_answers_202_with_the_backup_and_where_it_is(house, client):
    response = client.post(house.backups, {"name": "First"})
    assert response.status_code == 202
    body = response.json()
    assert (body["name"], body["status"], body["operation"]["state"]) == ("First", "creating", "queued")
    assert response["Location"] == f"http://testserver{house.backups}{body['id']}/"
    assert client.get(response["Location"]).json() == body


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_create_needs_no_name(body, house, client):
    response = client.generic("POST", house.backups, body, content_type="application/json")
    assert response.status_code == 202
    assert response.json()["name"].startswith("Backup 20")


def test_create_while_another_operation_runs_names_it(house, client):
    running = client.post(house.backups).json()["operation"]["id"]
    problem = assert_problem(client.post(house.backups), 409, "operation_in_progress")
    assert running in problem["detail"]


def test_create_at_the_limit_says_the_limit(house, client):
    house.order.plan.backup_limit = 2
    house.order.plan.save()
    house.stored()
    house.stored()
    assert "2" in assert_problem(client.post(house.backups), 409, "limit_reached")["detail"]


def test_create_on_a_plan_without_backups(house, client):
    house.order.plan.has_backups = False
    house.order.plan.save()
    assert_problem(client.post(house.backups), 409, "plan_has_no_backups")


def test_create_on_a_suspended_order(house, client):
    house.order.suspended_at = timezone.now()
    house.order.save()
    assert_problem(client.post(house.backups), 409, "order_suspended")


def test_create_for_a_secondary_server_is_refused(house, client):
    volume = ProvisionFactory(order=house.order, kind="volume", is_primary=False)
    path = house.backups.replace(str(house.server.id), str(volume.id))
    assert_problem(client.post(path), 409, "not_a_primary_deployment")


def test_create_without_a_sidecar(house, client):
    house.order.provisions.filter(kind="sidecar").delete()
    assert_problem(client.post(house.backups), 409, "no_sidecar")


def test_create_without_the_right(house):
    member = OrderUserPermissionFactory(content_object=house.order, right="view_order").user
    assert_problem(client_of(member).post(house.backups), 403, "permission_denied")


def test_create_for_an_unknown_server_is_refused(house, client, outsider):
    assert_problem(outsider.post(house.backups), 404, "order_not_found")
    path = house.backups.replace(str(house.server.id), str(uuid4()))
    assert_problem(client.post(path), 404, "provision_not_found")


@pytest.mark.parametrize("backup", [*NO_IDS, str(uuid4())])
def test_a_backup_that_is_not_there(backup, house, client):
    path = f"{house.backups}{backup}/"
    assert_problem(client.get(path), 404, "backup_not_found")
    assert_problem(client.patch(path, {"name": "x"}), 404, "backup_not_found")
    assert_problem(client.delete(path), 404, "backup_not_found")
    assert_problem(client.post(f"{path}restore/"), 404, "backup_not_found")


def test_a_backup_under_another_order_is_not_there(house, client):
    """The address has one's own order and another's backup, and the reverse."""
    theirs = BackupFactory()
    mine = house.stored()
    assert_problem(client.get(house.backup_url(theirs)), 404, "backup_not_found")
    path = f"/api/v1/orders/{theirs.order_id}/provisions/{house.server.id}/backups/{mine.id}/"
    assert_problem(client.get(path), 404, "order_not_found")


def test_rename_and_lock_are_two_things(house, client):
    backup = house.stored(name="old")
    renamed = client.patch(house.backup_url(backup), {"name": "new"})
    assert renamed.status_code == 200
    assert (renamed.json()["name"], renamed.json()["locked"]) == ("new", False)
    locked = client.patch(house.backup_url(backup), {"locked": True})
    assert (locked.json()["name"], locked.json()["locked"]) == ("new", True)


def test_a_change_of_nothing_changes_nothing(house, client):
    backup = house.stored(name="old")
    before = client.get(house.backup_url(backup)).json()
    assert client.patch(house.backup_url(backup), {}).json() == before


def test_a_locked_backup_is_not_deleted(house, client):
    backup = house.stored(locked=True)
    assert_problem(client.delete(house.backup_url(backup)), 409, "backup_locked")
    assert client.get(house.backup_url(backup)).status_code == 200


def test_delete_takes_a_backup_off_the_list_at_once(house, client):
    backup = house.stored()
    response = client.delete(house.backup_url(backup))
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(house.backups).json()["results"] == []
    assert_problem(client.delete(house.backup_url(backup)), 404, "backup_not_found")
    assert Operation.objects.get(kind=kinds.DELETE.name).state == OperationState.QUEUED


@pytest.mark.parametrize("busy", ["creating", "restoring"])
def test_a_busy_backup_is_not_deleted(busy, house, client):
    backup = BackupFactory(provision=house.server, **{busy: True})
    assert_problem(client.delete(house.backup_url(backup)), 409, "status_conflict")


@pytest.mark.parametrize("method", ["delete", "patch"])
def test_a_member_without_the_right_changes_and_deletes_nothing(method, house):
    member = OrderUserPermissionFactory(content_object=house.order, right="view_order").user
    path = house.backup_url(house.stored(name="kept"))
    assert_problem(getattr(client_of(member), method)(path, {"name": "x"}), 403, "permission_denied")
    assert Backup.objects.get(deleted_at=None).name == "kept"


def test_restore_answers_202_and_shows_restoring(house, client):
    backup = house.stored()
    response = client.post(house.backup_url(backup, "restore/"))
    assert response.status_code == 202
    assert response.json()["status"] == BackupStatus.RESTORING
    assert response["Location"] == f"http://testserver{house.backup_url(backup)}"
    assert response.json()["operation"]["kind"] == "restore"
    assert Operation.objects.get().params["mode"] == "replace"


def test_restore_takes_a_mode(house, client):
    client.post(house.backup_url(house.stored(), "restore/"), {"mode": "overlay"})
    assert Operation.objects.get().params["mode"] == "overlay"


@pytest.mark.parametrize("status", ["creating", "failed", "restoring"])
def test_only_a_ready_backup_is_restored(status, house, client):
    backup = BackupFactory(provision=house.server, **{status: True})
    assert_problem(client.post(house.backup_url(backup, "restore/")), 409, "status_conflict")


def test_restore_while_another_operation_runs(house, client):
    running = client.post(house.backups).json()["operation"]["id"]
    problem = assert_problem(client.post(house.backup_url(house.stored(), "restore/")), 409, "operation_in_progress")
    assert running in problem["detail"]


def test_restore_without_the_right(house):
    member = UserFactory()
    for right in ("view_order", "create_backup", "delete_backup"):
        OrderUserPermissionFactory(content_object=house.order, user=member, right=right)
    response = client_of(member).post(house.backup_url(house.stored(), "restore/"))
    assert_problem(response, 403, "permission_denied")
