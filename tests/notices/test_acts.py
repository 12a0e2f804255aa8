"""Each kind of event is recorded once, by the service that causes it."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from backups.services.suspension import suspensions_advance
from notices.kinds import FOR_STAFF, QUIET, URGENT, WORDS, EventKind, event_sentence
from notices.models import Event
from operations.services.operations import operation_fail
from orders.models import Order
from orders.services.plans import plan_save
from orders.services.suspension import order_suspend, order_unsuspend
from schedules.models import OrderProtection
from schedules.services.protection import protection_refresh
from schedules.services.reductions import reductions_advance
from tests.factories import ScheduleFactory, UserFactory
from vault.errors import StorageUnavailableError

K = EventKind
DAY = timedelta(days=1)


def fails(linked, times=1):
    for _ in range(times):
        operation_fail(operation=linked.create().operation, error=StorageUnavailableError())


def recovers(linked):
    fails(linked)
    linked.backup()
    linked.backup()


def warns(linked):
    with socket.socket(socket.AF_UNIX) as special:
        special.bind(str(linked.daemon.world / "rcon"))
    assert linked.backup().warnings_total == 1


def is_absent(linked):
    long_ago = timezone.now() - 30 * DAY
    ScheduleFactory(order=linked.order, cron="0 * * * *", next_due_at=None, paused=False, created_at=long_ago)
    for _ in range(2):
        OrderProtection.objects.update(refreshed_at=timezone.now() - 2 * DAY)
        protection_refresh()


def fills(linked):
    linked.order.plan.backup_limit = 1
    linked.order.plan.save()
    linked.backup()


def restore_fails(linked):
    backup = linked.stored()
    linked.restore_ask(backup)
    backup.refresh_from_db()
    operation_fail(operation=backup.operation, error=StorageUnavailableError())


def undoes(linked):
    backup = linked.backup()
    linked.restore(backup)
    linked.undo(backup)


def is_suspended(linked):
    since = timezone.now()
    for _ in range(2):
        order_suspend(order=linked.order, since=since, actor=None)


def keeps_less(linked):
    for _ in range(2):
        linked.backup()
    plan = linked.order.plan
    plan.backup_limit = 1
    plan_save(plan=plan, actor=None)
    plan.name = "Renamed"
    plan_save(plan=plan, actor=None)
    for _ in range(2):
        reductions_advance()


ACTS = {
    K.BACKUP_READY: lambda linked: linked.backup(),
    K.BACKUP_FAILED: fails,
    K.BACKUP_FAILING: lambda linked: fails(linked, times=4),
    K.BACKUP_WARNINGS: warns,
    K.BACKUP_RECOVERED: recovers,
    K.BACKUP_ABSENT: is_absent,
    K.BACKUP_DELETED: lambda linked: linked.delete(linked.backup()),
    K.RESTORE_SUCCEEDED: lambda linked: linked.restore(linked.backup()),
    K.RESTORE_FAILED: restore_fails,
    K.RESTORE_UNDONE: undoes,
    K.LIMIT_NEAR: fills,
    K.ORDER_SUSPENDED: is_suspended,
    K.PLAN_REDUCED: keeps_less,
    K.TARGET_UNREACHABLE: lambda linked: fails(linked, times=2),
}


def test_each_kind_has_an_act_and_texts():
    assert set(ACTS) == set(WORDS) == set(K)
    assert set(K) >= URGENT | QUIET | FOR_STAFF


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.value) for kind in K])
def test_kind_is_recorded_once_by_the_service_that_causes_it(linked, kind):
    ACTS[kind](linked)
    (event,) = Event.objects.filter(kind=kind, order=linked.order)
    assert event.routed_at is None
    # The sentence has all of its params: without one it would be the title.
    assert event.sentence != event.title
    assert "%(" not in event.sentence


def test_suspension_tells_its_date_and_each_warning_has_a_title_of_its_own(linked):
    linked.stored(locked=True, name="Kept")
    order_suspend(order=linked.order, since=timezone.now(), actor=None)
    for days in (6, 2, 0.5):
        Order.objects.update(removal_at=timezone.now() + days * DAY)
        for _ in range(2):
            suspensions_advance()
    begun, *warned = Event.objects.filter(kind=K.ORDER_SUSPENDED).order_by("created_at")
    assert (begun.title, "days" in begun.params) == ("Order suspended", False)
    assert [(event.title, event.params["days"]) for event in warned] == [
        ("Backups are removed soon", 7), ("Backups are removed soon", 3), ("Backups are removed soon", 1),
    ]  # fmt: skip
    assert "Kept" in warned[0].sentence
    order_unsuspend(user=UserFactory(is_staff=True, is_superuser=True), order=linked.order)
    assert Event.objects.filter(kind=K.ORDER_SUSPENDED).count() == 4


def test_sentence_with_params_of_another_release_is_its_title():
    assert event_sentence(kind=K.BACKUP_FAILED, code="", params={}) == "Backup failed"
