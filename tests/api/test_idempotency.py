"""A POST that is sent twice creates one object."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from common.models import IdempotencyRecord
from operations.models import Operation, OperationState
from tests.api.problems import assert_problem
from tests.factories import OrderUserPermissionFactory
from tests.world.clients import client_of

KEY = {"HTTP_IDEMPOTENCY_KEY": "a-key"}


def finish_everything():
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=timezone.now(), fence=1)


def test_a_create_with_the_same_key_answers_the_same_backup(rental, client):
    first = client.post(rental.backups, {"name": "one"}, **KEY)
    second = client.post(rental.backups, {"name": "one"}, **KEY)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert first["Location"] == second["Location"]
    assert Backup.objects.count() == 1


def test_a_replay_shows_the_backup_as_it_is_now(rental, client):
    created = client.post(rental.backups, {"name": "one"}, **KEY).json()
    client.post(f"/api/v1/operations/{created['operation']['id']}/cancel/")
    replayed = client.post(rental.backups, {"name": "one"}, **KEY)
    assert replayed.status_code == 202
    assert (replayed.json()["id"], replayed.json()["status"]) == (created["id"], "failed")


def test_another_body_with_the_same_key_is_refused(rental, client):
    client.post(rental.backups, {"name": "one"}, **KEY)
    assert_problem(client.post(rental.backups, {"name": "two"}, **KEY), 409, "idempotency_key_reused")
    assert Backup.objects.get().name == "one"


def test_a_restore_with_the_same_key_runs_once(rental, client):
    path = rental.backup_url(rental.stored(), "restore/")
    assert client.post(path, **KEY).status_code == 202
    finish_everything()
    assert client.post(path, **KEY).status_code == 202
    assert Operation.objects.count() == 1


def test_a_reprovision_with_the_same_key_is_one(rental, client):
    path = f"/api/v1/orders/{rental.order.id}/reprovision/"
    first, second = client.post(path, **KEY), client.post(path, **KEY)
    assert first.json()["id"] == second.json()["id"]
    assert_problem(client.post(path, HTTP_IDEMPOTENCY_KEY="another"), 409, "backup_in_progress")


def test_a_key_is_one_users_and_one_addresss(rental, client):
    member = OrderUserPermissionFactory(content_object=rental.order, right="create_backup").user
    first = client.post(rental.backups, **KEY).json()
    finish_everything()
    second = client_of(member).post(rental.backups, **KEY)
    assert second.json()["id"] != first["id"]
    finish_everything()
    assert client.post(f"/api/v1/orders/{rental.order.id}/reprovision/", **KEY).json()["kind"] == "reprovision"


def test_a_refusal_is_not_remembered(rental, client):
    rental.order.plan.has_backups = False
    rental.order.plan.save()
    assert_problem(client.post(rental.backups, **KEY), 409, "plan_has_no_backups")
    rental.order.plan.has_backups = True
    rental.order.plan.save()
    assert client.post(rental.backups, **KEY).status_code == 202


def test_after_a_day_the_key_is_forgotten(rental, client):
    first = client.post(rental.backups, **KEY).json()
    finish_everything()
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert client.post(rental.backups, **KEY).json()["id"] != first["id"]


@pytest.mark.parametrize("key", ["!", "~" * 255, "550e8400-e29b-41d4-a716-446655440000", '"quoted"'])
def test_a_key_is_up_to_255_visible_letters(key, rental, client):
    assert client.post(rental.backups, HTTP_IDEMPOTENCY_KEY=key).status_code == 202
    assert IdempotencyRecord.objects.get().key == key


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "ümlaut", "tab\t", "\x7f", "line\n"])
def test_invalid_key_is_refused(key, rental, client):
    problem = assert_problem(client.post(rental.backups, HTTP_IDEMPOTENCY_KEY=key), 400, "validation_error")
    assert set(problem["errors"]) == {"Idempotency-Key"}
    assert not Backup.objects.exists()
