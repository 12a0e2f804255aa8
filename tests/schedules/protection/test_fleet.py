"""The stored protection of all orders: who is computed anew, the alarm, and the staff's page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent
from backups.models import Backup
from notices.kinds import EventKind
from notices.models import Event
from notices.services.events import event_record
from orders.models import Order
from schedules.models import OrderProtection, Schedule
from schedules.services.protection import protection_refresh
from tests.api.queries import queries_of
from tests.factories import BackupFactory, OrderFactory, ProvisionFactory, ScheduleFactory, SupervisorFactory
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
    event_record(kind=EventKind.BACKUP_RECOVERED, order=rental.order, params={"name": "x"})
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
    assert len(names(read(clerk.get(f"/fleet/{older}" if older.startswith("?") else older)))) == 6


def test_fleet_says_that_nothing_works(fleet, clerk):
    assert "No supervisor of workers is running." in read(clerk.get("/fleet/")).one(id="workers-problem").text
    SupervisorFactory()
    assert not read(clerk.get("/fleet/")).has(id="workers-problem")


def test_fleet_is_linked_for_staff_alone(fleet, clerk, owner):
    assert "Fleet" in read(clerk.get("/")).one("nav", class_="topnav").text
    assert "Fleet" not in read(owner.get("/")).one("nav", class_="topnav").text
    assert owner.get("/fleet/").status_code == 404
    assert Order.objects.count() == 3


def test_clock_that_was_set_back_hides_no_news(rental, clock):
    protection_refresh()
    OrderProtection.objects.update(refreshed_at=timezone.now() + 400 * DAY, until=None)
    assert protection_refresh() == 1
    assert OrderProtection.objects.get(order=rental.order).refreshed_at == timezone.now()
    OrderProtection.objects.update(refreshed_at=timezone.now() + timedelta(minutes=4), until=None)
    clock.advance(timedelta(seconds=1))
    assert protection_refresh() == 0
