"""The trigger before an update: it waits for the backup or answers at once, and never makes two for one key."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.utils import timezone

from backups.models import Backup, BackupStatus
from operations.errors import OperationCancelled
from operations.models import Operation, OperationState
from operations.services.operations import operation_fail
from schedules.services import updates
from tests.api.problems import assert_problem
from tests.factories import AssetFactory, OrderFactory
from tests.world.rental import Rental

KEY = {"HTTP_IDEMPOTENCY_KEY": "a-key"}


def url_of(rental: Rental) -> str:
    return f"/api/v1/orders/{rental.order.id}/triggers/update/"


def plan_set(rental: Rental, **values: object) -> None:
    for name, value in values.items():
        setattr(rental.order.plan, name, value)
    rental.order.plan.save()


def ready(rental: Rental) -> None:
    """Be the worker for every backup that is being made."""
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=timezone.now(), fence=1)
    for backup in Backup.objects.filter(status=BackupStatus.CREATING):
        backup.asset = AssetFactory(customer=rental.order.customer)
        backup.status, backup.size_bytes, backup.completed_at = BackupStatus.READY, 1, timezone.now()
        backup.save()


@pytest.fixture
def meanwhile(monkeypatch) -> Callable[[Callable[[], object]], list[bool]]:
    """What happens while the answer waits, instead of the wait; returns the waits."""

    def script(action: Callable[[], object]) -> list[bool]:
        waits = []

        def paused(deadline: float) -> bool:
            waits.append(deadline > time.monotonic())
            action()
            return waits[-1]

        monkeypatch.setattr(updates, "_pause", paused)
        return waits

    return script


def test_answers_at_once_while_it_is_not_ready(rental, client):
    answer = client.post(url_of(rental))
    backup = Backup.objects.get()
    assert (answer.status_code, answer.json()["status"]) == (202, "creating")
    assert answer["Location"].endswith(rental.backup_url(backup))
    assert (backup.name.startswith("Before an update: Backup 2"), backup.tags) == (True, ["update"])


def test_waits_until_the_backup_is_ready(rental, client, meanwhile):
    waits = meanwhile(lambda: ready(rental))
    answer = client.post(url_of(rental), {"wait_seconds": 60})
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert waits == [True]


def test_waits_for_another_operation_first(rental, client, meanwhile):
    rental.create(name="By hand")
    assert_problem(client.post(url_of(rental)), 409, "operation_in_progress")
    waits = meanwhile(lambda: ready(rental))
    answer = client.post(url_of(rental), {"wait_seconds": 60})
    assert (answer.status_code, Backup.objects.count(), waits) == (200, 2, [True, True])


def test_time_that_passes_ends_the_wait(rental, client):
    answer = client.post(url_of(rental), {"wait_seconds": 1})
    assert (answer.status_code, answer.json()["status"]) == (202, "creating")
    answer = client.post(url_of(rental), {"wait_seconds": 1})
    assert_problem(answer, 409, "operation_in_progress")


def test_failed_backup_is_no_reason_to_go_on(rental, client, meanwhile):
    meanwhile(lambda: operation_fail(operation=Operation.objects.get(), error=OperationCancelled()))
    answer = client.post(url_of(rental), {"wait_seconds": 60})
    assert (answer.status_code, answer.json()["status"]) == (202, "failed")


def test_backup_that_is_deleted_meanwhile_is_not_found(rental, client, meanwhile):
    def delete() -> None:
        ready(rental)
        Backup.objects.update(deleted_at=timezone.now())

    meanwhile(delete)
    assert_problem(client.post(url_of(rental), {"wait_seconds": 60}), 404, "backup_not_found")


def test_same_key_makes_one_backup_and_shows_its_state(rental, client):
    first = client.post(url_of(rental), {"wait_seconds": 0}, **KEY)
    ready(rental)
    second = client.post(url_of(rental), {"wait_seconds": 0}, **KEY)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert_problem(client.post(url_of(rental), {"wait_seconds": 9}, **KEY), 409, "idempotency_key_reused")
    assert Backup.objects.count() == 1


@pytest.mark.parametrize("value", [-1, 301, "5", 1.5, True, None])
def test_impossible_wait_is_refused(value, rental, client):
    errors = assert_problem(client.post(url_of(rental), {"wait_seconds": value}), 400, "validation_error")["errors"]
    assert list(errors) == ["wait_seconds"]


def test_order_that_takes_no_backup_is_refused_at_once(rental, client):
    plan_set(rental, has_backups=False)
    assert_problem(client.post(url_of(rental), {"wait_seconds": 60}), 409, "plan_has_no_backups")
    plan_set(rental, has_backups=True)
    rental.suspend()
    assert_problem(client.post(url_of(rental), {"wait_seconds": 60}), 409, "order_suspended")
    bare = OrderFactory(customer=rental.order.customer)
    assert_problem(client.post(f"/api/v1/orders/{bare.id}/triggers/update/"), 409, "not_a_primary_deployment")
    assert not Backup.objects.exists()
