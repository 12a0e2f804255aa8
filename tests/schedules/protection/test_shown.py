"""Protection as programs and people see it: from rows as the work leaves them to the API, the pages and the words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from backups.models import Backup
from operations.models import Operation, OperationState
from schedules.models import RunState, ScheduleRun
from schedules.services.due import runs_make
from tests.factories import OperationFactory, ScheduleFactory, ScheduleRunFactory, SupervisorFactory
from tests.web.backups.reading import read

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def noon(monkeypatch, rental):
    """It is Wednesday noon, a worker is at work, and the customer lives by the clock of Berlin."""
    SupervisorFactory()
    monkeypatch.setattr(timezone, "now", lambda: NOON)
    rental.owner.time_zone = "Europe/Berlin"
    rental.owner.save()


def asked(client, rental):
    answer = client.get(f"/api/v1/orders/{rental.order.id}/protection/")
    assert answer.status_code == 200, answer.data
    return answer.json()


def days_of(found):
    return {day["date"]: day["state"] for day in found["days"]}


def good(rental, *, ago, **values):
    """A backup that was ready so long ago, and the operation that made it."""
    backup = rental.stored(**values)
    at = NOON - ago
    Backup.objects.filter(id=backup.id).update(completed_at=at, created_at=at)
    operation = OperationFactory(order=rental.order, subject=backup)
    Operation.objects.filter(id=operation.id).update(finished_at=at)
    return backup


def run(schedule, rental, *, due, state, error_code="", **values):
    over = state not in (RunState.DUE, RunState.RUNNING)
    return ScheduleRunFactory(
        schedule=schedule, provision=rental.server, due_at=due, state=state, error_code=error_code,
        finished_at=due + timedelta(minutes=1) if over else None, **values,
    )  # fmt: skip


@pytest.fixture
def daily(rental):
    """A schedule at four in the morning by the customer's clock, which the tick has looked at."""
    schedule = ScheduleFactory(
        order=rental.order, name="Nightly", cron="0 4 * * *", time_zone="Europe/Berlin",
        next_due_at=datetime(2026, 11, 26, 3, 0, tzinfo=UTC),
    )  # fmt: skip
    type(schedule).objects.update(created_at=NOON - 90 * DAY)
    return schedule


def test_answer_has_the_form_of_the_contract(client, rental, daily):
    good(rental, ago=9 * HOUR, verified_at=NOON - DAY, proven_at=NOON - DAY)
    found = asked(client, rental)
    assert found | {"days": []} == {
        "state": "protected",
        "sentence": "Protected: backed up 9 hours ago, restored in a test 1 day ago; next on Thursday at 04:00.",
        "last_good_at": "2026-11-25T03:00:00Z",
        "last_proven_at": "2026-11-24T12:00:00Z",
        "next_at": "2026-11-26T03:00:00Z",
        "days": [],
    }
    assert len(found["days"]) == 30
    assert (found["days"][0], found["days"][-1]) == (
        {"date": "2026-10-27", "state": "quiet"}, {"date": "2026-11-25", "state": "ok"},
    )  # fmt: skip


def test_sentence_and_page_are_in_the_language_and_zone_of_the_reader(client, rental, daily, owner):
    good(rental, ago=9 * HOUR)
    rental.owner.time_zone, rental.owner.language = "Asia/Tokyo", "de"
    rental.owner.save()
    sentence = asked(client, rental)["sentence"]
    assert "12:00" in sentence
    assert read(owner.get(rental.page)).one(id="protection-sentence").text == sentence


def test_failures_since_the_last_good_backup_are_told_with_days_and_reason(client, rental, daily):
    good(rental, ago=2 * DAY + 9 * HOUR)
    for days in (1, 0):
        due = datetime(2026, 11, 25 - days, 3, 0, tzinfo=UTC)
        run(daily, rental, due=due, state=RunState.FAILED, error_code="storage_unavailable")
    found = asked(client, rental)
    assert found["sentence"] == ("At risk: the backups of Tuesday and Wednesday failed: Storage not reachable.")
    assert [days_of(found)[f"2026-11-{day}"] for day in (23, 24, 25)] == ["ok", "failed", "failed"]


def test_day_of_a_failed_backup_by_hand_is_failed_and_the_order_stays_protected(client, rental):
    good(rental, ago=30 * HOUR)
    OperationFactory(order=rental.order, state=OperationState.FAILED, finished_at=NOON - HOUR)
    found = asked(client, rental)
    assert (found["state"], days_of(found)["2026-11-25"]) == ("protected", "failed")


def test_run_that_found_nothing_changed_counts_as_protected(client, rental, daily):
    good(rental, ago=20 * DAY)
    assert asked(client, rental)["state"] == "at_risk"
    due = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
    OperationFactory(order=rental.order, finished_at=due, result={"unchanged": True})
    found = asked(client, rental)
    assert (found["state"], found["last_good_at"]) == ("protected", "2026-11-25T03:00:00Z")
    assert days_of(found)["2026-11-25"] == "ok"


def test_days_on_which_nothing_looked_at_a_due_schedule_are_overdue(client, rental, daily):
    good(rental, ago=2 * DAY + 9 * HOUR)
    type(daily).objects.update(next_due_at=datetime(2026, 11, 24, 3, 0, tzinfo=UTC))
    found = asked(client, rental)
    assert found["sentence"] == "At risk: a backup was due on Tuesday at 04:00, and is missing."
    assert [days_of(found)[f"2026-11-{day}"] for day in (23, 24, 25)] == ["ok", "overdue", "overdue"]
    assert found["next_at"] is None


def test_days_that_a_catch_up_run_stands_for_were_overdue(client, rental, daily):
    good(rental, ago=4 * DAY + 9 * HOUR)
    type(daily).objects.update(next_due_at=datetime(2026, 11, 22, 3, 0, tzinfo=UTC))
    moment = NOON - timedelta(minutes=5)
    assert runs_make(now=moment) == 1
    ScheduleRun.objects.update(state=RunState.SUCCEEDED, started_at=moment, finished_at=moment)
    good(rental, ago=timedelta(minutes=4))
    found = asked(client, rental)
    assert found["state"] == "protected"
    states = [days_of(found)[f"2026-11-{day}"] for day in range(20, 26)]
    assert states == ["quiet", "ok", "overdue", "overdue", "overdue", "ok"]


def test_run_that_waits_for_too_long_is_overdue(client, rental, daily):
    good(rental, ago=9 * HOUR)
    run(daily, rental, due=NOON - timedelta(minutes=4), state=RunState.DUE)
    assert asked(client, rental)["state"] == "protected"
    run(daily, rental, due=NOON - timedelta(minutes=6), state=RunState.DUE)
    found = asked(client, rental)
    assert (found["state"], days_of(found)["2026-11-25"]) == ("at_risk", "overdue")


def test_broken_schedule_is_named(client, rental):
    good(rental, ago=HOUR)
    ScheduleFactory(order=rental.order, name="Odd", broken=True, cron="not a cron")
    assert asked(client, rental)["sentence"].startswith("At risk: the schedule “Odd” cannot run: ")


def test_paused_schedule_promises_nothing(client, rental, daily):
    good(rental, ago=3 * DAY)
    assert asked(client, rental)["state"] == "at_risk"
    type(daily).objects.update(paused=True, next_due_at=None)
    found = asked(client, rental)
    assert (found["state"], found["next_at"]) == ("protected", None)


def test_backup_with_warnings_marks_its_day_even_after_it_is_gone(client, rental):
    good(rental, ago=HOUR)
    operation = OperationFactory(order=rental.order, result={"warnings": 3})
    Operation.objects.filter(id=operation.id).update(finished_at=NOON - 3 * DAY)
    assert days_of(asked(client, rental))["2026-11-22"] == "warnings"


def test_running_backup_is_shown_today(client, rental):
    rental.begun()
    assert days_of(asked(client, rental))["2026-11-25"] == "running"


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Pacific/Kiritimati", "2026-11-25"), ("America/Los_Angeles", "2026-11-24"), ("UTC", "2026-11-24")],
)
def test_day_of_a_backup_is_that_of_the_customers_zone(zone, day, client, rental):
    rental.owner.time_zone = zone
    rental.owner.save()
    good(rental, ago=13 * HOUR)
    found = days_of(asked(client, rental))
    assert [date for date, state in found.items() if state == "ok"] == [day]


def test_strip_says_each_day_in_words(rental, owner, daily):
    good(rental, ago=9 * HOUR)
    page = read(owner.get(rental.page)).one(class_="protection")
    strip = page.one(role="img")
    assert strip["aria-label"] == "The last 30 days: Backed up: 1 · None was due: 29"
    assert len(strip.all(class_="day")) == 30
    assert [day.text for day in page.one("details").all("li")] == ["Nov. 25, 2026 · Backed up"]
    assert read(owner.get("/")).one("td", data_label="Protection").one(role="img")["aria-label"] == strip["aria-label"]
