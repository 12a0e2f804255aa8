"""A POST that is sent twice creates one object."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from common.models import IdempotencyRecord
from operations.models import Operation, OperationState
from tests.api.conftest import client_of
from tests.api.problems import assert_problem
from tests.factories import OrderUserPermissionFactory

KEY = {"HTTP_IDEMPOTENCY_KEY": "a-key"}


def finish_everything():
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=timezone.now(), fence=1)


def test_a_create_with_the_same_key_answers_the_same_backup(house, client):
    first = client.post(house.backups, {"name": "one"}, **KEY)
    second = client.post(house.backups, {"name": "one"}, **KEY)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first["Location"] == second["Location"]
    assert Backup.objects.count() == 1


def test_a_replay_shows_the_backup_as_it_is_now(house, client):
    created = client.post(house.backups, {"name": "one"}, **KEY).json()
    client.post(f"/api/v1/operations/{created['operation']['id']}/cancel/")
    replayed = client.post(house.backups, {"name": "one"}, **KEY)
    assert replayed.status_code == 202
    assert (replayed.json()["id"], replayed.json()["status"]) == (created["id"], "failed")


def test_another_body_with_the_same_key_is_refused(house, client):
    client.post(house.backups, {"name": "one"}, **KEY)
    assert_problem(client.post(house.backups, {"name": "two"}, **KEY), 409, "idempotency_key_reused")
    assert Backup.objects.get().name == "one"


def test_a_restore_with_the_same_key_runs_once(house, client):
    path = house.backup_url(house.stored(), "restore/")
    assert client.post(path, **KEY).status_code == 202
    finish_everything()
    assert client.post(path, **KEY).status_code == 202
    assert Operation.objects.count() == 1


def test_a_reprovision_with_the_same_key_is_one(house, client):
    path = f"/api/v1/orders/{house.order.id}/reprovision/"
    first, second = client.post(path, **KEY), client.post(path, **KEY)
    assert first.json()["id"] == second.json()["id"]
    assert_problem(client.post(path, HTTP_IDEMPOTENCY_KEY="another"), 409, "backup_in_progress")


def test_a_key_is_one_users_and_one_addresss(house, client):
    member = OrderUserPermissionFactory(content_object=house.order, right="create_backup").user
    first = client.post(house.backups, **KEY).json()
    finish_everything()
    second = client_of(member).post(house.backups, **KEY)
    assert second.json()["id"] != first["id"]
    finish_everything()
    assert client.post(f"/api/v1/orders/{house.order.id}/reprovision/", **KEY).json()["kind"] == "reprovision"


def test_a_refusal_is_not_remembered(house, client):
    house.order.plan.has_backups = False
    house.order.plan.save()
    assert_problem(client.post(house.backups, **KEY), 409, "plan_has_no_backups")
    house.order.plan.has_backups = True
    house.order.plan.save()
    assert client.post(house.backups, **KEY).status_code == 202


def test_after_a_day_the_key_is_forgotten(house, client):
    first = client.post(house.backups, **KEY).json()
    finish_everything()
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert client.post(house.backups, **KEY).json()["id"] != first["id"]


@pytest.mark.parametrize("key", ["!", "~" * 255, "550e8400-e29b-41d4-a716-446655440000", '"quoted"'])
def test_a_key_is_up_to_255_visible_letters(key, house, client):
    assert client.post(house.backups, HTTP_IDEMPOTENCY_KEY=key).status_code == 202
    assert IdempotencyRecord.objects.get().key == key


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "ümlaut", "tab\t", "\x7f", "line\n"])
def test_invalid_key_is_refused(key, house, client):
    problem = assert_problem(client.post(house.backups, HTTP_IDEMPOTENCY_KEY=key), 400, "validation_error")
    assert set(problem["errors"]) == {"Idempotency-Key"}
    assert not Backup.objects.exists()
