"""The moments of expressions in time zones, judged by another implementation and by a walk through each minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from schedules.cron import cron_parse
from schedules.occurrences import occurrence_last, occurrence_next, occurrences, occurrences_first

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Santiago",  # its gap is at midnight
    "America/Havana",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # its clock changes by half an hour
    "Pacific/Chatham",
    "Antarctica/Troll",  # by two hours
    "UTC",
]
SET_TIMES = [
    "30 2 * * *",
    "0 0 * * *",
    "15 0,2,3 * * *",
    "45 1-3 * * SUN",
    "0 4 1,L * *",
    "5 2 * 3,10 5L",
    "0 3 29 2 *",
]
EVERY = ["* * * * *", "*/20 * * * *", "*/7 1-3 * * *", "10 * * * *", "0 */2 * * *", "* 0 * * SUN", "59 * 1-7 * 0"]


def judged(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """The moments by the judge, each once; a moment that lies before an earlier one is none of a later run."""
    found: list[datetime] = []
    for local in CronSim(text, start.astimezone(ZoneInfo(zone))):
        moment = local.astimezone(UTC)
        if moment > end:
            return found
        if not found or moment > found[-1]:
            found.append(moment)
    return found


def walked(text: str, zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every minute whose local time matches."""
    cron = cron_parse(text)
    moment = start
    while (moment := moment + timedelta(minutes=1)) <= end:
        local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if next(cron.matches(local - timedelta(seconds=1))) == local:
            yield moment


@cache
def changes(zone: str, year: int) -> list[datetime]:
    """The hours of a year in which the offset of a zone changes."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(365 * 24)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hours[at] for at in range(1, len(hours)) if offsets[at] != offsets[at - 1]]


def until(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    found = occurrences(cron_parse(text), zone=ZoneInfo(zone), after=start)
    return list(takewhile(lambda moment: moment <= end, found))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", SET_TIMES)
def test_set_times_of_two_years_are_those_of_the_judge(text, zone):
    start = datetime(2026, 1, 1, 0, 17, tzinfo=UTC)
    end = start + timedelta(days=730)
    assert until(text, zone, start, end) == judged(text, zone, start, end)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", EVERY)
def test_matches_around_every_change_are_those_of_a_walk(text, zone):
    days = changes(zone, 2026) or [datetime(2026, 3, 29, 1, tzinfo=UTC)]
    for change in days:
        start, end = change - timedelta(hours=4), change + timedelta(hours=4)
        assert until(text, zone, start, end) == list(walked(text, zone, start, end)), change


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("text", ["*/20 * * * *", "10 * * * *", "* 0 1 * *", "*/30 * * * 1-5"])
def test_other_matches_are_those_of_the_judge(text, zone):
    start = datetime(2026, 3, 1, tzinfo=UTC)
    end = start + timedelta(days=9)
    assert until(text, zone, start, end) == judged(text, zone, start, end)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """One field: any number, a step, a number, a range with or without a step, or a list."""
    number = st.integers(low, high)
    # The judge reads 5-5/2 as 5/2; Debian's cron as 5.
    span = st.sets(number, min_size=2, max_size=2).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.integers(1, high - low)
    item = st.one_of(number.map(str), span, st.builds(lambda ends, by: f"{ends}/{by}", span, step))
    listed = st.lists(item, min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), step.map(lambda by: f"*/{by}"), listed)


ANY = st.just("*")
EXPRESSIONS = st.tuples(field(0, 59), field(0, 23), st.one_of(ANY, field(1, 31)), ANY, st.one_of(ANY, field(0, 6))).map(
    " ".join
)


def walked_by_the_judge(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Every minute whose local time the judge finds on a clock without a zone, which has no changes."""
    minutes = [start + timedelta(minutes=number) for number in range(1, int((end - start) / timedelta(minutes=1)) + 1)]
    local = {moment: moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for moment in minutes}
    last = max(local.values())
    clock = CronSim(text, min(local.values()) - timedelta(minutes=1))
    found = set(takewhile(lambda moment: moment <= last, clock))
    return [moment for moment in minutes if local[moment] in found]


@hypothesis.settings(max_examples=80)
@given(text=EXPRESSIONS, zone=st.sampled_from(ZONES), which=st.integers(0, 3), hours=st.integers(0, 6))
def test_any_expression_around_any_change_is_that_of_the_judge(text, zone, which, hours):
    found = changes(zone, 2026) or changes("Europe/Berlin", 2026)
    end = found[which % len(found)] + timedelta(hours=hours)
    if cron_parse(text).has_set_time:
        start = end - timedelta(hours=60)
        assert until(text, zone, start, end) == judged(text, zone, start, end)
    else:
        start = end - timedelta(hours=8)
        assert until(text, zone, start, end) == walked_by_the_judge(text, zone, start, end)


def test_time_that_the_zone_skips_runs_after_the_gap():
    gap = datetime(2026, 3, 29, 1, tzinfo=UTC)  # 02:00 in Berlin, where the clock then reads 03:00
    assert until("30 2 * * *", "Europe/Berlin", gap - timedelta(hours=3), gap + timedelta(hours=20)) == [gap]
    assert until("*/30 2 * * *", "Europe/Berlin", gap - timedelta(hours=3), gap + timedelta(hours=20)) == []


def test_time_that_happens_twice_runs_once():
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, for the first time
    assert until("30 2 * * *", "Europe/Berlin", first - timedelta(hours=3), first + timedelta(hours=20)) == [first]
    between = first + timedelta(minutes=45)
    assert until("30 2 * * *", "Europe/Berlin", between, between + timedelta(hours=20)) == []


def test_doubled_hour_has_the_matches_of_both():
    start = datetime(2026, 10, 25, 0, tzinfo=UTC)
    found = until("*/30 2 * * *", "Europe/Berlin", start - timedelta(hours=1), start + timedelta(hours=9))
    assert found == [start + timedelta(minutes=minutes) for minutes in (0, 30, 60, 90)]


def test_seconds_and_years():
    cron, after = cron_parse("*/20 * * * * * 2027"), datetime(2026, 6, 1, tzinfo=UTC)
    first = datetime(2027, 1, 1, tzinfo=UTC)
    assert occurrences_first(cron, zone=UTC, after=after, count=3) == [
        first, first + timedelta(seconds=20), first + timedelta(seconds=40),
    ]  # fmt: skip
    assert occurrence_next(cron, zone=UTC, after=datetime(2027, 12, 31, 23, 59, 40, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    "text", ["* * * * * *", "*/2 * * * * *", "* * * * *", "0 4 * * *", "* 3 * * *", "0-9 0 0 * * *", "0 4 1 1 *"]
)
@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1), timedelta(minutes=11), timedelta(days=3)])
def test_last_moment_of_a_late_schedule(text, late):
    cron = cron_parse(text)
    first = occurrence_next(cron, zone=UTC, after=datetime(2026, 5, 1, tzinfo=UTC))
    assert first is not None
    last = occurrence_last(cron, zone=UTC, first=first, until=first + late)
    following = occurrence_next(cron, zone=UTC, after=last)
    assert last <= first + late
    assert following is not None
    assert following > first + late
    assert occurrence_next(cron, zone=UTC, after=last - timedelta(seconds=1)) == last
