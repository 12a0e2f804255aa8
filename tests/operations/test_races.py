"""Races with real threads. Each one is first shown to occur without its guard."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection

from backups.errors import LimitReached, OperationInProgress
from backups.models import Backup, BackupStatus
from backups.rules import Rules
from backups.services import backups as backups_service
from common.errors import ApplicationError
from common.idempotency import idempotency_key_of
from operations.models import Operation, OperationState
from operations.services.operations import operation_finish
from operations.work.run import operation_claim
from orders.services import orders as orders_service
from vault.models import StoredObject

pytestmark = pytest.mark.django_db(transaction=True)


def in_parallel(count, action):
    """Run `action` in that many threads that start together; return results and errors in one list."""
    gate = threading.Barrier(count)

    def one(number):
        try:
            gate.wait(timeout=20)
            return action(number)
        except (ApplicationError, IntegrityError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def made(results):
    return [result for result in results if isinstance(result, Backup)]


@contextmanager
def constraint_dropped(name, model=Operation):
    """Drop a constraint from the database for the block."""
    constraint = next(item for item in model._meta.constraints if item.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, constraint)
    try:
        yield
    finally:
        Operation.objects.all().delete()
        Backup.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(model, constraint)


def test_one_of_many_parallel_creates_wins_and_others_learn_its_id(real_rental):
    results = in_parallel(12, lambda _: real_rental.create())

    assert len(made(results)) == 1
    operation = Operation.objects.get()
    losers = [result for result in results if not isinstance(result, Backup)]
    assert [type(loser) for loser in losers] == [OperationInProgress] * 11
    assert {loser.params["operation"] for loser in losers} == {str(operation.id)}
    assert Backup.objects.count() == 1


@pytest.mark.postgres
def test_without_lock_and_constraint_parallel_creates_both_win(real_rental, monkeypatch):
    monkeypatch.setattr(backups_service, "order_lock", lambda order_id: real_rental.order)
    together = threading.Barrier(2)
    look = Rules.create_require

    def look_then_wait(rules, provision, **wishes):
        look(rules, provision, **wishes)
        together.wait(timeout=20)

    monkeypatch.setattr(Rules, "create_require", look_then_wait)
    with constraint_dropped("operation_one_active_an_order"):
        results = in_parallel(2, lambda _: real_rental.create())
        assert len(made(results)) == 2


@pytest.mark.postgres
def test_the_constraint_alone_lets_one_of_two_win(real_rental, monkeypatch):
    monkeypatch.setattr(backups_service, "order_lock", lambda order_id: real_rental.order)
    together = threading.Barrier(2)
    look = Rules.create_require

    def look_then_wait(rules, provision, **wishes):
        look(rules, provision, **wishes)
        together.wait(timeout=20)

    monkeypatch.setattr(Rules, "create_require", look_then_wait)
    results = in_parallel(2, lambda _: real_rental.create())
    assert len(made(results)) == 1
    assert [type(result) for result in results if not isinstance(result, Backup)] == [OperationInProgress]


def test_parallel_creates_never_exceed_the_limit(real_rental):
    for _ in range(real_rental.order.plan.backup_limit - 1):
        finish(real_rental.create())

    def create_and_finish(_):
        backup = real_rental.create()
        finish(backup)
        return backup

    results = in_parallel(8, create_and_finish)
    assert len(made(results)) == 1
    assert {type(result) for result in results if not isinstance(result, Backup)} <= {LimitReached, OperationInProgress}
    assert Backup.objects.filter(status=BackupStatus.READY).count() == real_rental.order.plan.backup_limit


def finish(backup):
    """End a create as a worker would, with an asset that is never read."""
    from django.utils import timezone

    from vault.models import Asset

    operation = Operation.objects.get(roles__backup=backup)
    assert operation_finish(operation=operation, state=OperationState.SUCCEEDED)
    asset = Asset.objects.create(
        customer=backup.order.customer, target_id=StoredTarget.id_of(), key=f"backups/{backup.id}", sealed=True,
        size_bytes=1, stored_bytes=1, sha256="0" * 64, content_type="application/gzip",
    )  # fmt: skip
    Backup.objects.filter(id=backup.id).update(
        status=BackupStatus.READY, asset=asset, size_bytes=1, completed_at=timezone.now()
    )


class StoredTarget:
    """The one target of the rental."""

    @staticmethod
    def id_of():
        from vault.models import StorageTarget

        return StorageTarget.objects.get().id


def test_idempotency_key_sent_many_times_at_once_makes_one_backup(real_rental):
    key = idempotency_key_of(user_id=real_rental.owner.id, path="/backups/", key="k", body=b"{}")
    results = in_parallel(8, lambda _: real_rental.create(idempotency=key))
    assert {result.id for result in made(results)} == {Backup.objects.get().id}
    assert len(made(results)) == 8


def test_two_bells_for_one_operation_are_claimed_once(real_rental):
    real_rental.create()
    operation = Operation.objects.get()
    claims = in_parallel(6, lambda _: operation_claim(operation.id))
    assert len([claim for claim in claims if claim]) == 1
    assert Operation.objects.get().fence == 1


def test_a_delete_and_a_restore_of_one_backup_at_once_cannot_both_win(real_rental):
    from backups.services.backups import backup_delete
    from backups.services.restores import RestoreOptions, backup_restore

    backup = real_rental.create()
    finish(backup)

    def act(number):
        if number % 2:
            backup_delete(user=real_rental.owner, backup=backup)
            return "deleted"
        return backup_restore(
            user=real_rental.owner, order_id=real_rental.order.id, provision_id=real_rental.server.id,
            backup_id=backup.id, options=RestoreOptions(), idempotency=None,
        )  # fmt: skip

    results = in_parallel(6, act)
    winners = [result for result in results if not isinstance(result, Exception)]
    assert len(winners) == 1
    row = Backup.objects.get(id=backup.id)
    assert (row.deleted_at is None) == (row.status == BackupStatus.RESTORING)


def test_an_order_is_not_deleted_under_a_running_create(real_rental):
    from orders.errors import BackupInProgress

    real_rental.create()
    with pytest.raises(BackupInProgress):
        orders_service.order_delete(order=real_rental.order, actor=real_rental.owner)
    assert Backup.objects.count() == 1


def test_a_deleted_order_leaves_its_objects_to_the_sweep(real_rental):
    backup = real_rental.create()
    finish(backup)
    StoredObject.objects.create(target=real_rental.target, key=f"backups/{backup.id}", backup_id=backup.id)
    orders_service.order_delete(order=real_rental.order, actor=real_rental.owner)
    assert not Backup.objects.exists()
    assert StoredObject.objects.get().condemned_at is not None
