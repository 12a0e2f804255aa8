"""The calendar: runs of the past by their results, times to come, in the zone of the reader."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from schedules.models import RunState
from tests.factories import ScheduleFactory, ScheduleRunFactory
from tests.web.backups.reading import read

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


@pytest.fixture
def noon(monkeypatch):
    """Stop the clock of the pages at noon of Wednesday, 15 July 2026."""
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def look(rental, owner, noon):
    def looked(view="month", date="2026-07-15", zone="UTC"):
        rental.owner.time_zone = zone
        rental.owner.save()
        answer = owner.get(f"{rental.page}schedules/calendar/", {"view": view, "date": date})
        assert answer.status_code == 200
        page = read(answer)
        return {cell.one("h3").text: cell for cell in page.one("ol", class_="calendar").all("li", class_="cell")}

    return looked


def cell(cells, word):
    return next(found for title, found in cells.items() if word in title)


def entries(found):
    return [entry.text for entry in found.all("li", class_="entry")]


def test_past_runs_have_the_colour_and_the_word_of_their_result(rental, look):
    schedule = ScheduleFactory(order=rental.order, name="Nightly", paused=True, next_due_at=None)
    for day, state in ((12, RunState.SUCCEEDED), (13, RunState.FAILED), (14, RunState.UNCHANGED)):
        due = datetime(2026, 7, day, 4, tzinfo=UTC)
        ScheduleRunFactory(schedule=schedule, provision=rental.server, due_at=due, over=True, state=state)
    cells = look()
    assert entries(cell(cells, "July 12")) == ["04:00 Nightly Succeeded"]
    assert cell(cells, "July 13").one("li", class_="bad").text == "04:00 Nightly Failed"
    assert cell(cells, "July 14").one("li", class_="ok").text == "04:00 Nightly Nothing changed"
    assert entries(cell(cells, "July 15")) == []


def test_many_runs_of_a_day_are_counted_and_times_to_come_are_few(rental, look):
    schedule = ScheduleFactory(order=rental.order, name="Often", cron="*/10 * * * *")
    for minutes in range(0, 60, 10):
        due = datetime(2026, 7, 15, 9, minutes, tzinfo=UTC)
        ScheduleRunFactory(schedule=schedule, provision=rental.server, due_at=due, over=True)
    assert entries(cell(look(), "July 15")) == ["09:00 Often Succeeded \u00d7 6", "from 12:10, several Often Planned"]
    by_hour = look("day")
    assert entries(by_hour["09:00"]) == ["09:00 Often Succeeded \u00d7 6"]
    assert entries(by_hour["11:00"]) == []
    assert entries(by_hour["13:00"]) == ["from 13:00, several Often Planned"]


def test_planned_times_stand_in_the_zone_of_the_reader(rental, look):
    ScheduleFactory(order=rental.order, name="Late", cron="30 23 * * *", time_zone="UTC")
    assert entries(cell(look("week"), "July 16")) == ["23:30 Late Planned"]
    assert entries(cell(look("week", zone="Asia/Tokyo"), "July 16")) == ["08:30 Late Planned"]


def test_a_paused_and_a_broken_schedule_plan_nothing(rental, look):
    ScheduleFactory(order=rental.order, paused=True, next_due_at=None)
    ScheduleFactory(order=rental.order, broken=True, cron="no")
    assert not any(entries(found) for found in look().values())


@pytest.mark.parametrize(
    ("zone", "date"),
    [
        ("Europe/Berlin", "2027-03-28"),
        ("Europe/Berlin", "2026-10-25"),
        ("Africa/Cairo", "2027-04-30"),  # has no midnight
        ("Africa/Cairo", "2026-10-30"),  # has two
        ("Australia/Lord_Howe", "2026-10-04"),
        ("America/St_Johns", "2026-11-01"),
    ],
)
@pytest.mark.parametrize("view", ["day", "week", "month"])
def test_a_day_on_which_clocks_change_is_whole(view, zone, date, rental, look):
    schedule = ScheduleFactory(order=rental.order, cron="*/30 * * * *", time_zone=zone)
    begin = datetime.fromisoformat(f"{date}T00:00:00+00:00") - timedelta(hours=14)
    for hours in range(48):
        due = begin + timedelta(hours=hours)
        ScheduleRunFactory(schedule=schedule, provision=rental.server, due_at=due, over=True)
    cells = look(view, date, zone)
    assert len(cells) == {"day": 24, "week": 7}.get(view, len(cells))
    assert sum("Succeeded" in text for found in cells.values() for text in entries(found)) >= 2


def test_an_odd_date_or_view_shows_this_month(rental, owner, noon):
    for query in ("date=x", "date=0001-01-01", "date=9999-12-31", "view=year", "date=2026-02-30&view=day"):
        page = read(owner.get(f"{rental.page}schedules/calendar/?{query}"))
        assert "July" in page.one(id="calendar-title").text


def test_the_calendar_is_walked_by_links(rental, owner, noon):
    page = read(owner.get(f"{rental.page}schedules/calendar/?view=week&date=2026-07-15"))
    assert "July 12, 2026 to July 18, 2026" in page.one(id="calendar-title").text
    later = read(owner.get(page.one("a", rel="next")["href"]))
    assert "July 19, 2026 to July 25, 2026" in later.one(id="calendar-title").text
    assert (
        read(owner.get(later.one("a", rel="prev")["href"])).one(id="calendar-title").text
        == page.one(id="calendar-title").text
    )
    day = cell({found.one("h3").text: found for found in page.all("li", class_="cell")}, "July 15")
    assert day["aria-current"] == "date"
    assert "July 15" in read(owner.get(day.one("a")["href"])).one(id="calendar-title").text


def test_a_month_of_many_schedules_of_every_minute_is_made_at_once(rental, look, monkeypatch):
    for number in range(50):
        ScheduleFactory(order=rental.order, cron="* * * * *" if number % 2 else "0 0 29 2 *")
    calls = []
    from schedules.web import calendar

    real = calendar.occurrence_next
    monkeypatch.setattr(calendar, "occurrence_next", lambda *args, **named: calls.append(1) or real(*args, **named))
    cells = look()
    assert any(entries(found) for found in cells.values())
    # Three for each cell to come of each frequent schedule, one for each rare one.
    assert len(calls) < 50 * 3 * len(cells)
