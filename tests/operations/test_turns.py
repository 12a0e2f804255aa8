"""The queue of operations: limits on parallel work, turns that are fair between customers, and a long backlog."""

from __future__ import annotations

import contextlib
import itertools
import threading
import uuid
from collections import Counter

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from backups import kinds
from operations.models import Operation, OperationState, Priority
from operations.services.operations import operation_start
from operations.turns import AHEAD, Place
from operations.work import run
from operations.work.run import next_answer, next_claim
from orders.models import Plan
from tests.factories import OperationFactory, OrderFactory
from tests.operations.test_races import in_parallel

pytestmark = pytest.mark.django_db

ASKED, BACKGROUND = Priority.ASKED, Priority.BACKGROUND


@pytest.fixture
def limits(settings):
    """Set the limits of the environment; the others are none."""

    def set_(*, in_all=0, per_host=0, per_target=0):
        settings.SAVEPOINT_OPERATIONS_MAX = in_all
        settings.SAVEPOINT_OPERATIONS_PER_HOST = per_host
        settings.SAVEPOINT_OPERATIONS_PER_TARGET = per_target

    set_()
    return set_


def enqueue(order, *, priority=ASKED, host="", target_id=None):
    """Enqueue work that excludes nothing."""
    place = Place(host=host, target_id=target_id)
    return operation_start(order=order, kind=kinds.DELETE, requested_by=None, priority=priority, place=place)


def backlog(orders, *, each, priority=ASKED, hosts=("",)):
    """So many waiting operations of each order, as rows; their turns are those that enqueuing gives."""
    places = list(zip(orders, itertools.cycle(hosts)))
    Operation.objects.bulk_create(
        Operation(order=order, customer_id=order.customer_id, kind=kinds.DELETE.name, priority=priority, turn=turn,
                  host=host)
        for order, host in places for turn in range(each)
    )  # fmt: skip


def end(operation):
    Operation.objects.filter(id=operation.id).update(state=OperationState.SUCCEEDED, finished_at=timezone.now())


def claims(count):
    """The next claims, each one ended before the next."""
    for _ in range(count):
        claimed = next_claim()
        assert claimed is not None
        end(claimed)
        yield claimed


def test_thousand_operations_of_one_customer_delay_no_other(limits):
    heavy, light = OrderFactory(), OrderFactory()
    backlog([heavy], each=1000)
    mine = enqueue(light)
    assert [claimed.order_id for claimed in claims(2)] == [heavy.id, light.id]
    assert mine.turn == 0


def test_turns_alternate_between_customers_with_a_backlog_each(limits):
    orders = [OrderFactory() for _ in range(3)]
    for order in orders:
        for _ in range(4):
            enqueue(order)
    served = [claimed.order_id for claimed in claims(12)]
    rounds = [served[at : at + 3] for at in range(0, 12, 3)]
    assert [sorted(found) for found in rounds] == [sorted(order.id for order in orders)] * 4


def test_customer_who_comes_later_begins_at_the_head_and_not_before_it(limits):
    first, late = OrderFactory(), OrderFactory()
    for _ in range(6):
        enqueue(first)
    assert len(list(claims(3))) == 3
    early, again = enqueue(late), enqueue(late)
    served = [claimed.id for claimed in claims(3)]
    assert early.id in served[:2]
    assert again.id not in served[:2]


def test_asked_work_goes_before_background_work_of_everybody(limits):
    backlog([OrderFactory() for _ in range(50)], each=2, priority=BACKGROUND)
    order = OrderFactory()
    asked = [enqueue(order).id for _ in range(3)]
    assert [claimed.id for claimed in claims(3)] == asked


def test_flood_of_asked_work_leaves_background_work_its_turns(limits):
    flooding, scheduled = OrderFactory(), OrderFactory()
    waiting = enqueue(scheduled, priority=BACKGROUND)
    for _ in range(AHEAD + 5):
        enqueue(flooding)
    served = [claimed.id for claimed in claims(AHEAD + 2)]
    assert served.index(waiting.id) >= AHEAD


def test_postponed_operation_sets_no_head_for_others(limits):
    first, second = OrderFactory(), OrderFactory()
    postponed = enqueue(first)
    Operation.objects.filter(id=postponed.id).update(turn=-50, not_before=timezone.now() + timezone.timedelta(hours=1))
    waiting = [enqueue(second).id for _ in range(3)]
    newcomer = enqueue(OrderFactory())
    assert newcomer.turn == Operation.objects.get(id=waiting[0]).turn


@pytest.mark.parametrize(
    ("limit", "place"),
    [
        ({"per_host": 2}, {"host": "node-1"}),
        ({"per_target": 2}, {"target_id": uuid.UUID(int=7)}),
        ({"in_all": 2}, {}),
    ],
)
def test_limit_holds_and_the_end_of_one_makes_room(limit, place, limits):
    limits(**limit)
    for _ in range(4):
        enqueue(OrderFactory(), **place)
    running = [next_claim(), next_claim()]
    assert next_claim() is None
    end(running[0])
    assert next_claim() is not None
    assert next_claim() is None


def test_full_host_holds_up_no_other_host(limits):
    limits(per_host=1)
    order = OrderFactory()
    for host in ("node-1", "node-1", "node-2"):
        enqueue(order, host=host)
    assert [next_claim().host, next_claim().host] == ["node-1", "node-2"]
    assert next_claim() is None


def test_plan_limits_the_parallel_operations_of_an_order(limits):
    order, other = OrderFactory(), OrderFactory()
    Plan.objects.filter(id=order.plan_id).update(parallel_operations=1)
    for row in (order, order, other):
        enqueue(row)
    assert {next_claim().order_id, next_claim().order_id} == {order.id, other.id}
    assert next_claim() is None


def test_hold_counts_towards_no_limit(limits):
    limits(in_all=1)
    OperationFactory(kind=kinds.REPROVISION.name, state=OperationState.RUNNING, expires_at=timezone.now())
    enqueue(OrderFactory())
    assert next_claim() is not None


def test_end_of_an_operation_enqueues_the_next_one_when_no_task_waits(limits, monkeypatch):
    limits(in_all=1)
    first, second = enqueue(OrderFactory()), enqueue(OrderFactory())
    monkeypatch.setattr(run, "_work", lambda operation, lease: end(operation))
    monkeypatch.setattr(run, "Lease", lambda operation: contextlib.nullcontext())
    assert OrmQ.objects.count() == 0  # the test's transaction does not commit
    next_answer()
    assert [task.task["args"] for task in OrmQ.objects.all()] == [(str(second.id),)]
    assert Operation.objects.get(id=first.id).state == OperationState.SUCCEEDED


def test_ten_thousand_due_after_an_outage_drain_at_the_limits(limits):
    limits(in_all=20, per_host=3)
    hosts = [f"node-{number}" for number in range(25)]
    orders = [OrderFactory() for _ in range(100)]
    backlog(orders, each=100, priority=BACKGROUND, hosts=hosts)
    running, served = [], Counter()
    for _ in range(15):
        while (claimed := next_claim()) is not None:
            running.append(claimed)
            served[claimed.customer_id] += 1
        used = Counter(operation.host for operation in running)
        assert len(running) == 20
        assert max(used.values()) <= 3
        for operation in running[:10]:
            end(operation)
        del running[:10]
    # Every customer was served before any was served three times.
    assert len(served) == 100
    assert max(served.values()) <= 2


@pytest.mark.django_db(transaction=True)
def test_claims_at_once_fill_the_last_place_once(limits):
    limits(per_host=1)
    orders = [OrderFactory() for _ in range(6)]
    for order in orders:
        enqueue(order, host="node-1")
    claimed = [found for found in in_parallel(6, lambda _: next_claim()) if found]
    assert len(claimed) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_claims_that_take_no_turns_overfill_the_last_place(limits, monkeypatch):
    limits(per_host=1)
    waiting = [enqueue(OrderFactory(), host="node-1").id for _ in range(2)]
    monkeypatch.setattr(run, "turn_lock", lambda name: None)
    together, mine = threading.Barrier(2), threading.local()
    look = run.operations_claimable

    def look_then_wait():
        seen = list(look().values_list("id", flat=True))
        together.wait(timeout=20)
        return Operation.objects.filter(id__in=[id_ for id_ in seen if id_ == mine.id])

    def claim(number):
        mine.id = waiting[number]
        return next_claim()

    monkeypatch.setattr(run, "operations_claimable", look_then_wait)
    assert len([found for found in in_parallel(2, claim) if found]) == 2
