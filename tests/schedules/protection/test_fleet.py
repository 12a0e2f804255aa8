"""The stored protection of all orders: who is computed anew, the alarm, and the staff's page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.services.audit import audit_record
from backups.models import Backup
from notices.kinds import EventKind
from notices.models import Event
from notices.services.events import event_record
from orders.models import Order
from schedules.models import OrderProtection, RunState, Schedule
from schedules.services import protection
from schedules.services.protection import protection_refresh
from tests.api.queries import queries_of
from tests.factories import (
    BackupFactory,
    OrderFactory,
    ProvisionFactory,
    ScheduleFactory,
    ScheduleRunFactory,
    SupervisorFactory,
)
from tests.web.backups.reading import read

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Clock:
    """The time of the portal, which a test moves."""

    def __init__(self, monkeypatch):
        self._now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: self._now)

    def advance(self, by):
        self._now += by
        return self._now


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def state_of(order):
    return OrderProtection.objects.get(order=order).state


def alarms(order):
    events = AuditEvent.objects.filter(order_id=order.id, action__in=["backup.absent", "backup.present"])
    return list(events.order_by("id").values_list("action", flat=True))


def told(order):
    return list(Event.objects.filter(order=order).order_by("created_at", "id").values_list("kind", flat=True))


def promised(order):
    """An hourly schedule that is looked at in time."""
    return ScheduleFactory(order=order, cron="0 * * * *", next_due_at=None, paused=False)


def test_every_order_gets_its_state(rental, clock):
    other = OrderFactory()
    rental.stored()
    assert protection_refresh() == 2
    assert (state_of(rental.order), state_of(other)) == ("protected", "unprotected")


def test_only_orders_with_news_are_computed_anew(rental, clock):
    OrderFactory.create_batch(3)
    protection_refresh()
    clock.advance(10 * timedelta(minutes=1))
    assert protection_refresh() == 0
    rental.create()
    assert protection_refresh() == 1


def test_an_order_is_computed_when_its_backup_becomes_too_old(rental, clock):
    rental.stored()
    protection_refresh()
    clock.advance(7 * DAY - HOUR)
    OrderProtection.objects.update(refreshed_at=timezone.now())
    assert protection_refresh() == 0
    clock.advance(2 * HOUR)
    assert protection_refresh() == 1
    assert state_of(rental.order) == "at_risk"


def test_without_any_news_an_order_is_computed_daily(rental, clock):
    protection_refresh()
    clock.advance(DAY)
    assert protection_refresh() == 1


def test_alarm_is_raised_once_and_cleared_once(rental, clock):
    promised(rental.order)
    rental.stored()
    protection_refresh()
    assert alarms(rental.order) == []
    clock.advance(3 * HOUR)
    for _ in range(2):
        protection_refresh()
        OrderProtection.objects.update(refreshed_at=timezone.now() - 2 * DAY)
    assert alarms(rental.order) == ["backup.absent"]
    rental.stored(completed_at=clock.advance(timedelta(minutes=1)))
    for _ in range(2):
        protection_refresh()
        OrderProtection.objects.update(refreshed_at=timezone.now() - 2 * DAY)
    assert alarms(rental.order) == ["backup.absent", "backup.present"]
    assert told(rental.order) == ["backup.absent", "backup.recovered"]


def test_recovery_that_the_backup_has_told_is_not_told_twice(rental, clock):
    promised(rental.order)
    clock.advance(12 * HOUR)
    protection_refresh()
    rental.stored(completed_at=timezone.now())
    event_record(kind=EventKind.BACKUP_RECOVERED, order=rental.order, params={"name": "x", "server": "y"})
    Event.objects.update(created_at=timezone.now() + HOUR)
    OrderProtection.objects.update(refreshed_at=timezone.now() - 2 * DAY)
    protection_refresh()
    assert alarms(rental.order) == ["backup.absent", "backup.present"]
    assert sorted(told(rental.order)) == ["backup.absent", "backup.recovered"]


def test_an_order_that_never_had_a_backup_raises_the_alarm_too(rental, clock):
    promised(rental.order)
    clock.advance(12 * HOUR)
    protection_refresh()
    assert alarms(rental.order) == ["backup.absent"]


def test_the_queries_of_a_batch_do_not_grow_with_it(rental, clock):
    counts = []
    protection_refresh()
    for more in (1, 20):
        for _ in range(more):
            BackupFactory(provision=ProvisionFactory(order=OrderFactory()))
        with CaptureQueriesContext(connection) as captured:
            assert protection_refresh() >= more
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_run_that_fails_without_an_operation_is_news(rental, clock):
    rental.stored()
    schedule = promised(rental.order)
    protection_refresh()
    clock.advance(10 * timedelta(minutes=1))
    ScheduleRunFactory(
        schedule=schedule, provision=rental.server, due_at=timezone.now(), state=RunState.FAILED,
        error_code="limit_reached", finished_at=timezone.now(),
    )  # fmt: skip
    assert protection_refresh() == 1
    assert OrderProtection.objects.get().reason == "failed"


def test_run_that_waits_is_computed_anew_when_it_becomes_overdue(rental, clock):
    rental.stored()
    schedule = promised(rental.order)
    ScheduleRunFactory(schedule=schedule, provision=rental.server, due_at=timezone.now(), state=RunState.DUE)
    protection_refresh()
    assert state_of(rental.order) == "protected"
    clock.advance(timedelta(minutes=5, seconds=1))
    assert protection_refresh() == 1
    assert OrderProtection.objects.get().reason == "overdue"


def test_news_that_a_run_did_not_come_to_are_left_for_the_next(db, clock, monkeypatch):
    orders = OrderFactory.create_batch(3)
    protection_refresh()
    clock.advance(timedelta(hours=2))
    for order in orders:
        audit_record(actor=None, action="order.change", order_id=order.id, object_id=order.id)
    AuditEvent.objects.update(at=timezone.now())
    monkeypatch.setattr(protection, "MOST", 2)
    assert protection_refresh() == 2
    # So late that the events are no news any more.
    AuditEvent.objects.all().delete()
    clock.advance(timedelta(minutes=1))
    assert protection_refresh() == 1
    assert OrderProtection.objects.filter(refreshed_at=timezone.now()).count() == 1


def test_chore_begins_no_batch_after_its_time(db, clock, monkeypatch):
    OrderFactory.create_batch(3)
    monkeypatch.setattr(protection, "BATCH", 1)
    monkeypatch.setattr(protection, "SECONDS", -1.0)
    assert protection_refresh() == 0
    monkeypatch.setattr(protection, "SECONDS", 60.0)
    assert protection_refresh() == 3


def test_alarm_is_no_news_about_its_order(rental, clock):
    promised(rental.order)
    protection_refresh()
    clock.advance(12 * HOUR)
    assert protection_refresh() == 1
    AuditEvent.objects.exclude(action="backup.absent").delete()
    AuditEvent.objects.update(at=clock.advance(timedelta(seconds=30)))
    assert alarms(rental.order) == ["backup.absent"]
    assert protection_refresh() == 0


def test_suspended_order_raises_no_alarm(rental, clock):
    promised(rental.order)
    rental.stored()
    rental.suspend()
    clock.advance(3 * HOUR)
    protection_refresh()
    assert (alarms(rental.order), OrderProtection.objects.get().reason) == ([], "suspended")


def test_clock_that_was_set_back_hides_no_news(rental, clock):
    protection_refresh()
    OrderProtection.objects.update(refreshed_at=timezone.now() + 400 * DAY, until=None)
    assert protection_refresh() == 1
    assert OrderProtection.objects.get(order=rental.order).refreshed_at == timezone.now()
    OrderProtection.objects.update(refreshed_at=timezone.now() + timedelta(seconds=30), until=None)
    clock.advance(timedelta(seconds=1))
    assert protection_refresh() == 0


@pytest.fixture
def fleet(rental, clock):
    """Three orders: protected, without a backup, and at risk with the alarm on."""
    rental.stored()
    OrderFactory(name="Empty")
    late = BackupFactory(provision=ProvisionFactory(order=OrderFactory(name="Late")))
    Backup.objects.filter(id=late.id).update(completed_at=timezone.now() - 9 * DAY)
    promised(late.order)
    Schedule.objects.update(created_at=timezone.now() - 10 * DAY)
    protection_refresh()


def names(page):
    return [link.text for link in page.all("a", class_="row-link")]


def test_staff_see_the_counts_and_first_those_without_backups(fleet, clerk):
    page = read(clerk.get("/fleet/"))
    assert [tile.text for tile in page.all("a", class_="tile")] == [
        "1 Without a backup for longer than promised", "1 Not protected", "1 At risk", "1 Protected",
    ]  # fmt: skip
    assert names(page) == ["Late"]
    assert len(page.one("tbody").all(role="img")) == 1


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("absent", ["Late"]),
        ("unprotected", ["Empty"]),
        ("at_risk", ["Late"]),
        ("protected", ["Server"]),
        ("x", ["Late"]),
    ],
)
def test_one_state_is_listed_at_a_time(state, found, fleet, clerk):
    assert names(read(clerk.get("/fleet/", {"state": state}))) == found


def test_fleet_costs_the_same_however_many_orders_there_are(fleet, clerk):
    clerk.get("/fleet/")
    before = queries_of(clerk, "/fleet/?state=unprotected")
    for _ in range(30):
        OrderFactory()
    protection_refresh()
    assert queries_of(clerk, "/fleet/?state=unprotected") == before
    page = read(clerk.get("/fleet/?state=unprotected"))
    assert len(names(page)) == 25
    older = page.one("a", rel="next")["href"]
    assert "state=unprotected" in older
    last = read(clerk.get(older))
    assert len(names(last)) == 6
    assert names(read(clerk.get(last.one("a", rel="prev")["href"]))) == names(page)


def test_orders_longest_without_a_good_backup_come_first(rental, clock, clerk):
    rental.stored()
    for name, days in (("Older", 3), ("Oldest", 5), ("Newer", 1)):
        clock.advance(HOUR)
        order = OrderFactory(name=name)
        BackupFactory(provision=ProvisionFactory(order=order))
        Backup.objects.filter(order=order).update(completed_at=timezone.now() - days * DAY)
    protection_refresh()
    assert names(read(clerk.get("/fleet/?state=protected"))) == ["Oldest", "Older", "Newer", "Server"]
    assert names(read(clerk.get("/fleet/?state=protected&sort=newest"))) == ["Newer", "Oldest", "Older", "Server"]


def test_pages_of_the_longest_without_a_backup_repeat_and_lose_none(clock, clerk, db):
    made = [OrderFactory(name=f"Order {number:02}").name for number in range(60)]
    protection_refresh()
    address, seen, pages = "/fleet/?state=unprotected", [], 0
    while address:
        page = read(clerk.get(address))
        seen, pages = seen + names(page), pages + 1
        address = page.one("a", rel="next")["href"] if page.has("a", rel="next") else ""
    assert (sorted(seen), len(seen), pages) == (sorted(made), 60, 3)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "empty"}, ["Empty"]),
        ({"q": "Rich"}, ["Other"]),
        ({"q": "Rich", "plan": "none"}, ["Other"]),
        ({"plan": "9" * 40}, ["Other", "Empty"]),
        ({"q": "\0"}, ["Other", "Empty"]),
        ({"q": "nothing"}, []),
    ],
)
def test_words_choose_among_the_orders_of_a_state(asked, found, clock, clerk, db):
    OrderFactory(name="Empty")
    OrderFactory(name="Other", customer__name="Rich")
    protection_refresh()
    assert sorted(names(read(clerk.get("/fleet/", {"state": "unprotected", **asked})))) == sorted(found)


def test_orders_of_one_plan_are_listed(clock, clerk, db):
    wanted = OrderFactory(name="Wanted")
    OrderFactory(name="Other")
    protection_refresh()
    page = read(clerk.get("/fleet/", {"state": "unprotected", "plan": wanted.plan_id}))
    assert names(page) == ["Wanted"]
    assert "plan=" in page.one("a", id="state-1")["href"]


def test_cursor_of_another_list_is_refused(clock, clerk, db):
    assert clerk.get("/fleet/?cursor=nonsense").status_code == 400


def test_fleet_says_that_nothing_works(fleet, clerk):
    assert "No supervisor of workers is running." in read(clerk.get("/fleet/")).one(id="workers-problem").text
    SupervisorFactory()
    assert not read(clerk.get("/fleet/")).has(id="workers-problem")


def test_fleet_is_linked_for_staff_alone(fleet, clerk, owner):
    assert "Fleet" in read(clerk.get("/")).one("nav", class_="topnav").text
    assert "Fleet" not in read(owner.get("/")).one("nav", class_="topnav").text
    assert owner.get("/fleet/").status_code == 404
    assert Order.objects.count() == 3
