"""The schedule of a plan: every server of every order has it, without anyone setting it up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backups.models import Backup
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from orders.models import Plan
from orders.services.orders import order_create
from orders.services.plans import order_update, plan_save
from schedules.models import RunState, Schedule
from schedules.services.due import runs_make
from schedules.services.of_plan import plan_schedules_repair
from schedules.services.runs import schedules_tick
from tests.api.admin_pages import page
from tests.factories import OrderFactory, PlanFactory, ProvisionFactory, ScheduleFactory

pytestmark = pytest.mark.django_db
DAILY = "0 4 * * *"


@pytest.fixture
def paying(rental):
    """The plan of the order, with a daily schedule of its own."""
    plan = rental.order.plan
    plan.schedule_cron, plan.schedule_time_zone, plan.schedule_retention = DAILY, "Europe/Berlin", {"daily": 7}
    plan_save(plan=plan, actor=None)
    return plan


@pytest.fixture
def free():
    return PlanFactory(name="Free", has_backups=False)


def due(schedule):
    """The time at which a schedule is due next, and its start."""
    schedule.refresh_from_db()
    assert schedule.next_due_at is not None
    return schedule.next_due_at + timedelta(minutes=2)


def test_plan_that_gets_a_schedule_gives_it_to_all_its_orders(rental):
    orders = {rental.order, *OrderFactory.create_batch(3, plan=rental.order.plan)}
    other = OrderFactory()
    plan = rental.order.plan
    plan.schedule_cron = "@daily"
    plan_save(plan=plan, actor=None)
    found = Schedule.objects.filter(of_plan=True)
    assert {schedule.order for schedule in found} == orders
    assert not other.schedules.exists()
    assert {(schedule.cron, schedule.provision, schedule.source) for schedule in found} == {
        ("0 0 * * *", None, "files")
    }
    assert all(schedule.next_due_at and schedule.next_due_at > datetime.now(UTC) for schedule in found)


def test_order_made_later_has_the_schedule_from_the_beginning(paying, rental):
    order = order_create(customer=rental.order.customer, plan=paying, name="Second")
    schedule = order.schedules.get()
    assert (schedule.of_plan, schedule.cron, schedule.time_zone) == (True, DAILY, "Europe/Berlin")
    assert schedule.retention == {"daily": 7}


def test_server_made_later_is_backed_up_from_then_on(paying):
    order = OrderFactory(plan=paying)
    plan_schedules_repair()
    schedule = order.schedules.get()
    runs_make(now=due(schedule))
    assert not schedule.runs.exists()
    server = ProvisionFactory(order=order)
    runs_make(now=due(schedule))
    assert list(schedule.runs.values_list("provision", flat=True)) == [server.id]


def test_schedule_of_the_plan_makes_a_backup_that_nobody_asked_for(paying, rental):
    schedule = rental.order.schedules.get()
    assert schedules_tick(now=due(schedule)) == 1
    backup = Backup.objects.get()
    assert (backup.schedule_id, backup.operation.requested_by) == (schedule.id, None)


def test_change_of_the_plan_changes_its_schedules(paying, rental):
    schedule = rental.order.schedules.get()
    before = schedule.next_due_at
    paying.schedule_cron, paying.schedule_retention = "30 5 * * *", {"weekly": 4}
    plan_save(plan=paying, actor=None)
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.retention) == ("30 5 * * *", {"weekly": 4})
    assert schedule.next_due_at != before
    again = schedule.next_due_at
    plan_save(plan=paying, actor=None)
    schedule.refresh_from_db()
    assert schedule.next_due_at == again


def test_order_that_moves_to_a_plan_without_one_loses_it_and_keeps_its_backups(paying, rental, free):
    schedule = rental.order.schedules.get()
    schedules_tick(now=due(schedule))
    order_update(order=rental.order, plan=free, name="Server", actor=None)
    assert not Schedule.objects.exists()
    assert Backup.objects.count() == 1
    order_update(order=rental.order, plan=paying, name="Server", actor=None)
    assert rental.order.schedules.get().id == schedule.id  # its backups are its own again


@pytest.mark.parametrize("change", [{"schedule_cron": ""}, {"has_backups": False}, {"sources": ["tapes"]}])
def test_plan_without_a_schedule_or_its_source_has_none(paying, rental, change):
    Plan.objects.update(**change)
    plan_schedules_repair()
    assert not Schedule.objects.exists()


def test_chore_gives_the_schedule_to_orders_that_came_another_way(paying, rental, monkeypatch):
    monkeypatch.setattr("schedules.services.of_plan.AT_ONCE", 2)
    orders = OrderFactory.create_batch(5, plan=paying)
    assert plan_schedules_repair() == 5
    assert all(order.schedules.filter(of_plan=True).exists() for order in orders)
    assert plan_schedules_repair() == 0


def test_scheduler_skips_a_run_of_an_order_whose_plan_became_free(paying, rental, free):
    schedule = rental.order.schedules.get()
    now = due(schedule)
    type(rental.order).objects.update(plan=free)  # behind the back of every service
    assert schedules_tick(now=now) == 0
    run = schedule.runs.get()
    assert (run.state, run.error_code) == (RunState.SKIPPED, "plan_has_no_backups")
    assert not Backup.objects.exists()


def test_worker_refuses_a_backup_that_was_queued_before_the_plan_became_free(paying, rental, free):
    assert schedules_tick(now=due(rental.order.schedules.get())) == 1
    operation = Operation.objects.get()
    type(rental.order).objects.update(plan=free)
    operation_answer(operation.id)
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == (OperationState.FAILED, "plan_has_no_backups")


def test_api_lets_a_customer_of_a_free_plan_make_nothing(client, rental, free):
    schedule = ScheduleFactory(order=rental.order, provision=rental.server)
    type(rental.order).objects.update(plan=free)
    client.force_login(rental.owner)
    schedules = rental.backups.replace("/backups/", "/schedules/")
    new = {"name": "Mine", "cron": DAILY}
    for address, sent in (
        (rental.backups, {}),
        (schedules, new),
        (f"{schedules}{schedule.id}/run/", {}),
        (f"/api/v1/orders/{rental.order.id}/triggers/update/", {}),
    ):
        answer = client.post(address, sent, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (409, "plan_has_no_backups")
    assert not Operation.objects.exists()


def test_customer_cannot_change_or_delete_the_schedule_of_the_plan(client, paying, rental):
    schedule = rental.order.schedules.get()
    address = f"/api/v1/orders/{rental.order.id}/schedules/{schedule.id}/"
    client.force_login(rental.owner)
    assert client.get(address).json()["of_plan"] is True
    for answer in (client.patch(address, {"paused": True}, content_type="application/json"), client.delete(address)):
        assert (answer.status_code, answer.json()["code"]) == (409, "schedule_of_plan")


def test_server_without_a_sidecar_is_skipped_and_nobody_is_alarmed(paying, rental):
    rental.sidecar.delete()
    schedule = rental.order.schedules.get()
    schedules_tick(now=due(schedule))
    run = schedule.runs.get()
    assert (run.state, run.error_code) == (RunState.SKIPPED, "no_sidecar")


@pytest.mark.parametrize(
    ("field", "value"), [("schedule_cron", "61 * * * *"), ("schedule_cron", "x"), ("schedule_time_zone", "Mars/Base")]
)
def test_page_of_plans_names_the_field_of_an_impossible_schedule(admin_client, field, value):
    form = {"name": "Large", "has_backups": "on", "backup_limit": 10, "safety_hours": 48, "collapse_percent": 50,
            "volume_limit": 3, "schedule_cron": DAILY, field: value}  # fmt: skip
    answer = admin_client.post(page(Plan, "add"), form)
    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert not Plan.objects.exists()


def test_broken_schedule_of_a_plan_stops_only_its_own(paying, rental):
    Plan.objects.filter(id=paying.id).update(schedule_cron="nonsense")
    other = PlanFactory(schedule_cron=DAILY)
    OrderFactory(plan=other)
    plan_schedules_repair()
    assert rental.order.schedules.get().error_code == "validation_error"
    assert Schedule.objects.filter(error_code="", next_due_at__isnull=False).count() == 1
