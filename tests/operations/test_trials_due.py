"""Test restores by schedule: each order's newest good backup, once in the days of its plan, a few at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from backups.services import trials
from backups.services.trials import TRIALS_AT_ONCE, trial_offset, trials_due
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from orders.models import Order, Plan
from tests.api.problems import assert_problem
from tests.factories import BackupFactory, OperationFactory, OrderFactory
from tests.web.backups.reading import read
from tests.world.clients import browser_of, client_of

DAY = timedelta(days=1)


@pytest.fixture
def now(monkeypatch):
    def at(moment: datetime) -> datetime:
        monkeypatch.setattr(trials, "database_now", lambda: moment)
        return moment

    at(timezone.now())
    return at


def asked():
    return list(Operation.objects.filter(kind="verify").order_by("created_at"))


def due_now():
    Order.objects.update(next_trial_at=datetime(2020, 1, 1, tzinfo=UTC))


def test_the_newest_good_backup_is_proven_and_again_after_the_days_of_the_plan(stocked, now, settings, tmp_path):
    settings.SAVEPOINT_HOME = tmp_path / "home"
    stocked.keep(completed_at=timezone.now() - DAY)
    newest = stocked.keep()
    stocked.keep(completed_at=timezone.now() + DAY, collapsed=True)
    due_now()
    assert trials_due() == 1
    [operation] = asked()
    assert operation.params == {"depth": "restore"}
    assert operation.requested_by is None
    operation_answer(operation.id)
    newest.refresh_from_db()
    assert newest.proof["ok"]
    for days in (2, 29):
        now(newest.proven_at + days * DAY)
        assert trials_due() == 0
    now(newest.proven_at + 30 * DAY)
    assert trials_due() == 1


def test_first_ones_are_spread_over_the_days(db, now):
    orders = [BackupFactory().order for _ in range(40)]
    start = timezone.now()
    now(start)
    assert trials_due() == 0
    dates = sorted(Order.objects.values_list("next_trial_at", flat=True))
    assert start <= dates[0]
    assert dates[-1] <= start + 30 * DAY
    assert len({(date - start).days for date in dates}) > 15
    assert trial_offset(orders[0].id, 30) == trial_offset(orders[0].id, 30)


def test_few_run_at_a_time(db, now):
    for _ in range(TRIALS_AT_ONCE + 3):
        BackupFactory()
    due_now()
    assert trials_due() == TRIALS_AT_ONCE
    assert trials_due() == 0
    Operation.objects.update(state=OperationState.SUCCEEDED, finished_at=timezone.now())
    assert trials_due() == 3


@pytest.mark.parametrize("state", ["none", "suspended", "free", "empty"])
def test_orders_without_test_restores_hold_up_no_other(stocked, now, monkeypatch, state):
    monkeypatch.setattr(trials, "LOOKED_AT", 1)
    stocked.keep()
    others = OrderFactory.create_batch(2)
    if state != "empty":
        for other in others:
            BackupFactory(provision__order=other, provision__is_primary=True)
    changed = {"none": {"trial_days": 0}, "free": {"has_backups": False}}.get(state)
    if changed:
        Plan.objects.filter(orders__in=others).update(**changed)
    due_now()
    values = {"suspended_at": datetime(2019, 1, 1, tzinfo=UTC)} if state == "suspended" else {}
    Order.objects.filter(id__in=[other.id for other in others]).update(
        next_trial_at=datetime(2019, 1, 1, tzinfo=UTC), **values
    )
    assert trials_due() == 1
    assert asked()[0].order == stocked.order


def test_an_order_that_works_is_left_until_later(rental, now):
    rental.stored()
    OperationFactory(order=rental.order, kind="create", state=OperationState.RUNNING)
    due_now()
    assert trials_due() == 0
    assert Order.objects.get().next_trial_at <= timezone.now() + timedelta(minutes=15)


@pytest.mark.parametrize("state", ["none", "suspended", "free", "empty", "damaged"])
def test_orders_without_a_test_restore(rental, now, state):
    backup = rental.stored()
    if state == "none":
        Plan.objects.update(trial_days=0)
    elif state == "suspended":
        rental.suspend()
    elif state == "free":
        Plan.objects.update(has_backups=False)
    elif state == "empty":
        backup.delete()
    else:
        type(backup).objects.update(degraded=True)
    due_now()
    assert (trials_due(), asked()) == (0, [])
    assert Order.objects.get().next_trial_at > timezone.now()


def test_a_failed_one_is_tried_again_the_next_day(rental, now):
    rental.stored()
    due_now()
    assert trials_due() == 1
    Operation.objects.update(state=OperationState.FAILED, error_code="internal", finished_at=timezone.now())
    assert trials_due() == 0
    now(timezone.now() + DAY)
    assert trials_due() == 1


def test_the_customer_chooses_more_days_than_the_plan(rental, now):
    client, address = client_of(rental.owner), f"/api/v1/orders/{rental.order.id}/test-restores/"
    proven = timezone.now() - 31 * DAY
    rental.stored(proven_at=proven)
    shown = client.patch(address, {"days": 60}, format="json").json()
    assert (shown["days"], shown["plan_days"], shown["every_days"]) == (60, 30, 60)
    assert datetime.fromisoformat(shown["last_proven_at"]) == proven
    now(timezone.now() + timedelta(seconds=1))
    assert trials_due() == 0
    assert Order.objects.get().next_trial_at == proven + 60 * DAY
    assert client.patch(address, {"days": None}, format="json").json()["every_days"] == 30
    now(timezone.now() + timedelta(seconds=1))
    assert trials_due() == 1


def test_the_customer_turns_test_restores_off(rental, now):
    rental.stored()
    browser, address = browser_of(rental.owner), f"/orders/{rental.order.id}/test-restores/"
    assert read(browser.get(address)).one(id="often").text == "Every 30 days"
    assert browser.post(address, {"days": "0"}).status_code == 302
    now(timezone.now() + timedelta(seconds=1))
    assert trials_due() == 0
    assert read(browser.get(address)).one(id="often").text == "Never"
    assert browser.post(address, {"days": ""}).status_code == 302
    now(timezone.now() + timedelta(seconds=2))
    assert trials_due() == 1


@pytest.mark.parametrize("days", [29, 367, -1, "60", True, 1.5])
def test_impossible_days_are_refused_with_the_field(rental, days):
    address = f"orders/{rental.order.id}/test-restores/"
    answer = client_of(rental.owner).patch(f"/api/v1/{address}", {"days": days}, format="json")
    assert_problem(answer, 400, "validation_error")
    assert list(answer.json()["errors"]) == ["days"]
    if type(days) is int:
        asked = browser_of(rental.owner).post(f"/{address}", {"days": str(days)})
        assert asked.status_code == 400
        assert read(asked).one("input", name="days")["aria-invalid"] == "true"
    assert Order.objects.get().trial_days is None


def test_a_plan_without_test_restores_has_no_choice(rental):
    Plan.objects.update(trial_days=0)
    address = f"orders/{rental.order.id}/test-restores/"
    assert client_of(rental.owner).patch(f"/api/v1/{address}", {"days": 30}, format="json").status_code == 400
    page = read(browser_of(rental.owner).get(f"/{address}"))
    assert page.one(id="often").text == "Never"
    assert not page.has("input", name="days")


def test_an_order_without_rows_costs_nothing(db, now):
    OrderFactory()
    due_now()
    assert trials_due() == 0
