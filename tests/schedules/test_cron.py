"""Cron expressions: their normal form, the reasons for a refusal, and the least time between two matches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.errors import ValidationError
from schedules.cron import cron_gap, cron_parse, cron_require

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("0 4 * * *", "0 4 * * *"),
        ("  00   04 *\t* * ", "0 4 * * *"),
        ("0 0 4 * * *", "0 4 * * *"),
        ("0 0 4 * * * *", "0 4 * * *"),
        ("*/2 * * * * *", "*/2 * * * * *"),
        ("0 0 4 * * * 2030", "0 0 4 * * * 2030"),
        ("@Daily", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("0 4 ? * mon-fri", "0 4 * * 1-5"),
        ("0 4 * JAN,jul *", "0 4 * 1,7 *"),
        ("0 4 * * 7", "0 4 * * 0"),
        ("0 4 * * 5-7", "0 4 * * 5,6,0"),
        ("0 4 L * *", "0 4 L * *"),
        ("0 4 * * friL", "0 4 * * 5L"),
        ("0 4 * * SAT#2", "0 4 * * 6#2"),
        ("5/15 * * * *", "5-59/15 * * * *"),
        ("*/1 * * * *", "* * * * *"),
        ("0-59/20 * * * *", "0-59/20 * * * *"),
        ("29-29/33 5 * * *", "29 5 * * *"),
        ("5-20/16 5-5 * * *", "5 5 * * *"),
    ],
)
def test_expression_is_normalised(text, normal):
    assert str(cron_parse(text)) == normal
    assert str(cron_parse(normal)) == normal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "A cron expression has 5, 6 or 7 fields"),
        ("0 4 * *", "A cron expression has 5, 6 or 7 fields"),
        ("* * * * * * * *", "A cron expression has 5, 6 or 7 fields"),
        ("@reboot", "A cron expression has 5, 6 or 7 fields"),
        ("0 4 * * " + "*" * 300, "at most 200 characters"),
        ("60 4 * * *", "“60” is no value of the field “minute”, which takes 0 to 59."),
        ("0 24 * * *", "“24” is no value of the field “hour”, which takes 0 to 23."),
        ("0 0 0 * *", "“0” is no value of the field “day of the month”, which takes 1 to 31."),
        ("0 0 * 13 *", "“13” is no value of the field “month”, which takes 1 to 12."),
        ("0 0 * * 8", "“8” is no value of the field “day of the week”, which takes 0 to 7."),
        ("0 0 * * FUN", "“FUN” is no value of the field “day of the week”"),
        ("0 0 0 * * * 1900", "“1900” is no value of the field “year”, which takes 1970 to 2099."),
        ("R * * * *", "“R” is no value of the field “minute”"),
        ("H H * * *", "“H” is no value of the field “minute”"),
        ("-1 * * * *", "“-1” is no value of the field “minute”"),
        ("1-2-3 * * * *", "“1-2-3” is no value of the field “minute”"),
        ("*-5 * * * *", "“*-5” is no value of the field “minute”"),
        ("1,,2 * * * *", "“” is no value of the field “minute”"),
        ("\u0661 * * * *", "“\u0661” is no value of the field “minute”"),
        ("30-10 * * * *", "“30-10” in the field “minute” ends before it begins."),
        ("*/0 * * * *", "The step in “*/0” is larger than the field “minute”, or zero."),
        ("*/90 * * * *", "The step in “*/90” is larger than the field “minute”, or zero."),
        ("0 0 1 * MON#1", "cannot be combined with days of the month"),
        ("0 0 1 * 5L", "cannot be combined with days of the month"),
        ("0 0 * * 5#6", "“5#6” is no value of the field “day of the week”"),
        ("0 0 L-2 * *", "“L-2” is no value of the field “day of the month”"),
    ],
)
def test_impossible_expression_is_refused_with_its_reason(text, reason):
    with pytest.raises(ValidationError) as refused:
        cron_parse(text)
    assert list(refused.value.errors) == ["cron"]
    assert reason in refused.value.errors["cron"][0]


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 4 * * * 2020", "0 0 31 2 *"])
def test_expression_that_never_matches_is_refused(text):
    with pytest.raises(ValidationError) as refused:
        cron_require(cron_parse(text), shortest=None, now=NOW)
    assert refused.value.errors == {"cron": ["No date matches this expression."]}


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("* * * * * *", timedelta(seconds=1)),
        ("*/7 * * * * *", timedelta(seconds=4)),
        ("* * * * *", timedelta(minutes=1)),
        ("*/45 * * * *", timedelta(minutes=15)),
        ("0 * * * *", timedelta(hours=1)),
        ("0 0,23 * * *", timedelta(hours=1)),
        ("0 0,23 * * MON", timedelta(hours=23)),
        ("0 0,23 1 * *", timedelta(hours=23)),
        ("0 0,23 1,L * *", timedelta(hours=1)),
        ("0 4 * * *", timedelta(days=1)),
        ("0 4 * * 1,2", timedelta(days=1)),
        ("0 4 1 1 *", timedelta(days=1)),
        ("0 0 29 2 *", timedelta(days=1)),
    ],
)
def test_least_time_between_two_matches(text, gap):
    assert cron_gap(cron_parse(text), now=NOW) == gap


def test_expression_more_often_than_the_plan_allows_is_refused():
    cron_require(cron_parse("0 * * * *"), shortest=timedelta(hours=1), now=NOW)
    with pytest.raises(ValidationError) as refused:
        cron_require(cron_parse("0,59 * * * *"), shortest=timedelta(hours=1), now=NOW)
    assert refused.value.errors == {"cron": ["This runs more often than your plan allows: at most once in 60 minutes."]}
