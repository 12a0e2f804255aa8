"""The rule of protection: from facts to the state, its reason, and thirty days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schedules.protection.state import (
    DAYS,
    GOOD_FOR,
    GRACE,
    DayFacts,
    DayState,
    Facts,
    Gap,
    Reason,
    ScheduleFacts,
    State,
    protection_of,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TODAY = NOW.date()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAILY = ScheduleFacts(name="Daily", next_at=NOW + 16 * HOUR, expected_at=NOW + 16 * HOUR)


def protection(**facts):
    return protection_of(Facts(**{"zone": UTC, "any_backup": True, "good_at": NOW - 6 * HOUR, **facts}), NOW)


def state_on(day, **facts):
    return {one.date: one.state for one in protection(**facts).days}[day]


@pytest.mark.parametrize(
    ("facts", "state", "reason"),
    [
        ({}, State.PROTECTED, Reason.GOOD),
        ({"in_plan": False, "good_at": None, "any_backup": False}, State.UNPROTECTED, Reason.NOT_IN_PLAN),
        ({"good_at": None, "any_backup": False}, State.UNPROTECTED, Reason.NONE_YET),
        ({"good_at": None}, State.UNPROTECTED, Reason.NO_GOOD),
        ({"good_at": None, "unchanged_at": NOW}, State.UNPROTECTED, Reason.NO_GOOD),
        ({"collapsed_at": NOW - HOUR}, State.AT_RISK, Reason.COLLAPSED),
        ({"collapsed_at": NOW - DAY}, State.PROTECTED, Reason.GOOD),
        ({"failed_at": NOW - HOUR, "failures": {TODAY: "storage_full"}}, State.AT_RISK, Reason.FAILED),
        ({"failed_at": NOW - 7 * HOUR, "failures": {TODAY: "storage_full"}}, State.PROTECTED, Reason.GOOD),
        ({"schedules": (ScheduleFacts(name="x", error_code="validation_error"),)}, State.AT_RISK, Reason.BROKEN),
        ({"gaps": (Gap(since=NOW - HOUR),)}, State.AT_RISK, Reason.OVERDUE),
        ({"gaps": (Gap(since=NOW - HOUR, until=NOW),)}, State.PROTECTED, Reason.GOOD),
        ({"good_at": NOW - GOOD_FOR - HOUR}, State.AT_RISK, Reason.OLD),
        ({"good_at": NOW - GOOD_FOR - HOUR, "unchanged_at": NOW - HOUR}, State.PROTECTED, Reason.GOOD),
        ({"suspended": True}, State.AT_RISK, Reason.SUSPENDED),
        ({"suspended": True, "good_at": None}, State.UNPROTECTED, Reason.NO_GOOD),
    ],
)
def test_state_follows_from_the_first_reason_that_holds(facts, state, reason):
    found = protection(**facts)
    assert (found.state, found.reason) == (state, reason)


def test_failures_before_the_last_good_backup_are_not_told():
    days = {TODAY - 3 * DAY: "storage_full", TODAY - DAY: "timed_out", TODAY: "sidecar_unavailable"}
    found = protection(good_at=NOW - 2 * DAY, failed_at=NOW - HOUR, failures=days)
    assert (found.failed_days, found.code) == ((TODAY - DAY, TODAY), "sidecar_unavailable")


@pytest.mark.parametrize(
    ("between", "slack"),
    [(timedelta(minutes=1), GRACE), (HOUR, HOUR / 4), (DAY, 6 * HOUR), (30 * DAY, 6 * HOUR)],
)
def test_promise_of_a_schedule_is_kept_with_some_slack(between, slack):
    schedule = ScheduleFacts(name="x", expected_at=NOW - slack)
    kept = protection(good_at=NOW - slack - between, schedules=(schedule,))
    assert (kept.promised_until, kept.absent(NOW), kept.reason) == (NOW, False, Reason.GOOD)
    later = NOW + timedelta(seconds=1)
    broken = protection_of(
        Facts(zone=UTC, any_backup=True, good_at=NOW - slack - between, schedules=(schedule,)), later
    )
    assert (broken.absent(later), broken.reason) == (True, Reason.OLD)


def test_without_a_schedule_nothing_is_promised_and_no_alarm_is_raised():
    assert not protection(good_at=None).absent(NOW + 1000 * DAY)


def test_the_state_is_looked_at_again_when_it_may_change():
    assert protection().until == NOW - 6 * HOUR + GOOD_FOR
    assert protection(schedules=(DAILY,)).until == NOW + 16 * HOUR + GRACE
    assert protection(good_at=None).until is None


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (DayFacts(), DayState.QUIET),
        (DayFacts(good=2), DayState.OK),
        (DayFacts(good=2, flawed=1), DayState.WARNINGS),
        (DayFacts(good=1, failed=1), DayState.WARNINGS),
        (DayFacts(failed=1), DayState.FAILED),
    ],
)
def test_day_shows_what_it_came_to(seen, state):
    assert state_on(TODAY - DAY, days={TODAY - DAY: seen}) is state


def test_strip_has_thirty_days_up_to_today():
    days = [day.date for day in protection().days]
    assert (len(days), days[0], days[-1]) == (DAYS, TODAY - 29 * DAY, TODAY)


@pytest.mark.parametrize(("zone", "today"), [("Pacific/Kiritimati", 26), ("America/Los_Angeles", 25)])
def test_days_begin_in_the_zone_of_the_customer(zone, today):
    assert protection(zone=ZoneInfo(zone)).days[-1].date == date(2026, 11, today)


def test_days_of_a_gap_are_overdue_unless_there_was_a_good_backup():
    gap = Gap(since=NOW - 3 * DAY, until=NOW - DAY)
    days = {TODAY - 2 * DAY: DayFacts(good=1)}
    states = {day.date: day.state for day in protection(gaps=(gap,), days=days).days}
    assert [states[TODAY - back * DAY] for back in (4, 3, 2, 1, 0)] == [
        DayState.QUIET, DayState.OVERDUE, DayState.OK, DayState.OVERDUE, DayState.QUIET,
    ]  # fmt: skip


def test_today_is_overdue_while_a_run_is_missing_whatever_came_before():
    seen = {TODAY: DayFacts(good=5)}
    assert state_on(TODAY, gaps=(Gap(since=NOW - HOUR),), days=seen) is DayState.OVERDUE
    assert state_on(TODAY, gaps=(Gap(since=NOW - HOUR),), days=seen, running=True) is DayState.RUNNING
    assert state_on(TODAY, gaps=(Gap(since=NOW - HOUR, until=NOW),), days=seen) is DayState.OK


def test_gap_of_years_costs_no_more_than_the_strip():
    assert protection(gaps=(Gap(since=NOW - 9000 * DAY),)).days[0].state is DayState.OVERDUE
