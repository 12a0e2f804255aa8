"""A suspended order keeps its backups until a date; warnings come before it, and no clock makes it come early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEvent
from backups.models import Backup
from backups.services import suspension as removal
from backups.services.suspension import suspensions_advance
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from orders.models import Order
from orders.services import suspension
from orders.services.suspension import SuspensionStage, order_suspend, order_unsuspend
from tests.factories import OperationFactory, OrderFactory, UserFactory
from tests.world.clients import browser_of, client_of

DAY = timedelta(days=1)
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Clock:
    """The clock of the database."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def after(self, days: float) -> int:
        """Let the chore run so many days after the suspension."""
        self.now = START + days * DAY
        return suspensions_advance()


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (suspension, removal):
        monkeypatch.setattr(module, "database_now", made)
    return made


@pytest.fixture
def told(monkeypatch):
    steps = []
    monkeypatch.setattr(suspension, "_listeners", [steps.append])
    return steps


@pytest.fixture
def suspended(stocked, clock, told):
    """Two backups, one of them locked, of an order that was suspended just now."""
    stocked.keep(name="Plain")
    stocked.keep(name="Kept", locked=True)
    order_suspend(order=stocked.order, since=START, actor=None)
    stocked.order.refresh_from_db()
    return stocked


def left():
    return Backup.objects.filter(deleted_at__isnull=True).count()


def test_warnings_at_seven_three_and_one_day_then_the_backups_go(suspended, clock, told):
    assert suspended.order.removal_at == START + 30 * DAY
    for days in (1, 22, 22.9, 23, 24, 26.9, 27, 28.9, 29, 29.5, 29.99):
        assert clock.after(days) == 0
        assert left() == 2
    warned = [(step.days, step.backups, step.locked) for step in told if step.stage == SuspensionStage.WARNED]
    assert warned == [(7, 2, ("Kept",)), (3, 2, ("Kept",)), (1, 2, ("Kept",))]
    assert clock.after(30) == 2
    assert left() == 0
    assert told[-1].stage == SuspensionStage.REMOVED
    for operation in Operation.objects.filter(kind="delete"):
        operation_answer(operation.id)
    assert not Backup.objects.exists()
    assert Order.objects.exists()
    assert clock.after(31) == 0


def test_a_clock_that_jumps_warns_first_and_leaves_a_day(suspended, clock, told):
    assert clock.after(400) == 0
    assert [step.days for step in told if step.stage == SuspensionStage.WARNED] == [1]
    assert clock.after(400.9) == 0
    assert left() == 2
    suspended.order.refresh_from_db()
    assert suspended.order.removal_at == START + 401 * DAY
    assert clock.after(401) == 2


def test_the_guard_of_the_last_warning_is_needed(suspended, clock, monkeypatch):
    monkeypatch.setattr(removal, "warning_due", lambda *_: None)
    monkeypatch.setattr(removal, "removal_is_due", lambda order, now: order.removal_at <= now)
    assert clock.after(400) == 2


def test_lifting_it_takes_everything_back_until_the_last_moment(suspended, clock):
    clock.after(29)
    order_suspend(order=suspended.order, since=None, actor=None)
    assert clock.after(31) == 0
    order = Order.objects.get()
    assert (left(), order.removal_at, order.warned_days, order.terminates) == (2, None, None, False)
    order_suspend(order=order, since=clock.now, actor=None)
    assert Order.objects.get().removal_at == START + 61 * DAY


def test_suspending_again_keeps_the_date(suspended, clock, told):
    clock.now = START + 5 * DAY
    again = order_suspend(order=suspended.order, since=START, actor=None)
    assert again.removal_at == START + 30 * DAY
    assert len(told) == 1


def test_a_suspension_dated_back_counts_from_now(stocked, clock):
    assert order_suspend(order=stocked.order, since=START - 300 * DAY, actor=None).removal_at == START + 30 * DAY


def test_an_order_suspended_before_there_were_dates_gets_one(stocked, clock):
    stocked.keep()
    Order.objects.update(suspended_at=START - 300 * DAY)
    assert clock.after(0) == 0
    assert Order.objects.get().removal_at == START + 30 * DAY


def test_running_work_is_left_to_a_later_run(suspended, clock):
    busy = suspended.keep(name="Busy")
    Backup.objects.filter(id=busy.id).update(status="restoring")
    OperationFactory(order=suspended.order, subject=busy, kind="restore", state=OperationState.RUNNING)
    clock.after(29)
    assert clock.after(30) == 2
    assert list(Backup.objects.filter(deleted_at__isnull=True)) == [busy]
    Backup.objects.filter(id=busy.id).update(status="ready")
    assert clock.after(30.1) == 1


def test_a_terminated_order_is_deleted_after_its_backups(suspended, clock):
    order_suspend(order=suspended.order, since=START, actor=None, terminates=True)
    clock.after(29)
    assert clock.after(30) == 2
    for operation in Operation.objects.filter(kind="delete"):
        operation_answer(operation.id)
    clock.after(30.1)
    assert not Order.objects.exists()


def test_an_order_without_backups_is_left_alone(clock, db, told):
    order_suspend(order=OrderFactory(), since=START, actor=None)
    clock.after(40)
    assert [step.stage for step in told] == [SuspensionStage.SUSPENDED]


def test_orders_with_nothing_left_hold_up_no_other(suspended, clock, monkeypatch):
    monkeypatch.setattr(removal, "ORDERS_A_RUN", 1)
    order_suspend(order=OrderFactory(), since=START - DAY, actor=None)
    Order.objects.exclude(id=suspended.order.id).update(removal_at=START)
    clock.after(29)
    assert Order.objects.get(id=suspended.order.id).warned_days == 1
    assert clock.after(30) == 2


def test_the_page_and_the_api_say_the_date_and_the_download_works(suspended):
    page = browser_of(suspended.owner).get(f"/orders/{suspended.order.id}/").content.decode()
    assert "Dec. 1, 2026" in page
    shown = client_of(suspended.owner).get(f"/api/v1/orders/{suspended.order.id}/").json()
    assert (shown["removal_at"], shown["terminates"]) == ("2026-12-01T12:00:00Z", False)
    asset = Backup.objects.first().asset_id
    assert client_of(suspended.owner).get(f"/api/v1/assets/{asset}/").status_code == 200


def test_a_billing_system_asks_for_deletion_and_is_told_the_date(stocked, clock):
    clerk = client_of(UserFactory(is_superuser=True))
    address = f"/api/v1/orders/{stocked.order.id}/suspension/"
    assert clerk.post(address, {"terminates": "yes"}, format="json").status_code == 400
    told = clerk.post(address, {"terminates": True}, format="json").json()
    assert (told["terminates"], told["removal_at"]) == (True, "2026-12-01T12:00:00Z")
    # A suspension for another reason does not take the deletion back.
    assert clerk.post(address, {}, format="json").json()["terminates"]
    lifted = clerk.delete(address).json()
    assert (lifted["terminates"], lifted["suspended_at"], lifted["removal_at"]) == (False, None, None)
    actions = AuditEvent.objects.filter(action__in=["order.suspend", "order.unsuspend"]).order_by("pk")
    assert list(actions.values_list("action", flat=True)) == ["order.suspend", "order.unsuspend"]


def test_staff_suspend_and_lift_in_the_admin(stocked, clock, admin_client):
    address, chosen = "/admin/orders/order/", {"_selected_action": [str(stocked.order.id)]}
    said = admin_client.post(address, {**chosen, "action": "terminate"}, follow=True).content.decode()
    assert "Dec. 1, 2026" in said
    assert Order.objects.get().terminates
    admin_client.post(address, {**chosen, "action": "lift"})
    assert Order.objects.get().suspended_at is None


def test_who_may_not_change_orders_does_not_lift(stocked, clock):
    from common.errors import PermissionDenied

    with pytest.raises(PermissionDenied):
        order_unsuspend(user=stocked.owner, order=stocked.order)
