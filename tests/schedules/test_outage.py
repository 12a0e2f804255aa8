"""After three days off: one catch-up run a schedule, started fairly and within the limits."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from operations.models import Operation, OperationState, Priority
from operations.work.run import next_claim
from orders.models import Order
from provisions.models import Provision, ProvisionKind
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.services import runs as runs_service
from schedules.services.due import runs_make
from schedules.services.runs import schedules_tick
from tests.factories import CustomerFactory, PlanFactory, StorageTargetFactory

pytestmark = pytest.mark.django_db
BEGAN = datetime(2026, 11, 27, 4, tzinfo=UTC)
BACK = BEGAN + timedelta(days=3, seconds=90)
HOSTS, EACH = 25, 5


def fleet(customers):
    """Orders of customers, so many of each, with a server on one of the hosts and five hourly schedules."""
    plan = PlanFactory()
    orders = Order.objects.bulk_create(
        Order(customer=customer, plan=plan, name=f"Server {number}")
        for customer, count in customers.items()
        for number in range(count)
    )
    Provision.objects.bulk_create(
        Provision(order=order, kind=kind, name="World", is_primary=kind == ProvisionKind.DEPLOYMENT,
                  address=f"10.0.0.{number % HOSTS}:50051" if kind == ProvisionKind.SIDECAR else "", token="secret")
        for number, order in enumerate(orders)
        for kind in (ProvisionKind.DEPLOYMENT, ProvisionKind.SIDECAR)
    )  # fmt: skip
    Schedule.objects.bulk_create(
        Schedule(order=order, name=f"Schedule {number}", cron="0 * * * *", next_due_at=BEGAN)
        for order in orders
        for number in range(EACH)
    )
    return orders


@pytest.fixture
def target():
    return StorageTargetFactory(is_default=True, sealed=True)


def test_ten_thousand_due_schedules_have_one_catch_up_run_each(target):
    fleet({CustomerFactory(): 2000})
    assert runs_make(now=BACK) == 2000 * EACH
    runs = ScheduleRun.objects.all()
    last = BEGAN + timedelta(days=3)
    assert set(runs.values_list("state", "due_at", "due_since")) == {(RunState.DUE, last, BEGAN)}
    assert runs.values("schedule").distinct().count() == 2000 * EACH
    assert (runs_make(now=BACK), set(Schedule.objects.values_list("next_due_at", flat=True))) == (
        0,
        {last + timedelta(hours=1)},
    )


def test_ticks_after_an_outage_start_some_runs_of_each_customer(target, settings, monkeypatch):
    monkeypatch.setattr(runs_service, "STARTED_A_TICK", 40)
    settings.SAVEPOINT_OPERATIONS_MAX, settings.SAVEPOINT_OPERATIONS_PER_HOST = 12, 2
    settings.SAVEPOINT_OPERATIONS_PER_TARGET = 0
    large, small = CustomerFactory(), CustomerFactory()
    fleet({large: 200, small: 4})
    assert 0 < schedules_tick(now=BACK) <= 40
    begun = Counter(Operation.objects.values_list("customer_id", flat=True))
    assert begun[small.id] == 4  # each of its orders has one; the other runs wait for it
    assert begun[large.id] > 4
    running = []
    while (claimed := next_claim()) is not None:
        running.append(claimed)
    assert len(running) == 12
    assert max(Counter(operation.host for operation in running).values()) <= 2
    assert {operation.customer_id for operation in running[:2]} == {large.id, small.id}
    assert {operation.priority for operation in running} == {Priority.BACKGROUND}
    assert Operation.objects.filter(state=OperationState.QUEUED).exists()
