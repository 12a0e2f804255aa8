"""The builder makes the expressions that it reads back, and leaves every other one to the raw field."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.cron import cron_parse
from schedules.web.builder import Often, Rule, rule_of

RULES = st.builds(
    Rule,
    often=st.sampled_from([Often.HOURLY, Often.DAILY, Often.WEEKLY, Often.MONTHLY]),
    minute=st.integers(0, 59),
    at=st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    weekdays=st.lists(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(set(days)))),
    day=st.one_of(st.integers(1, 31).map(str), st.just("L")),
)


@given(rule=RULES)
def test_every_rule_of_the_builder_is_read_back(rule):
    stored = str(cron_parse(rule.expression))
    found = rule_of(stored)
    assert found.often is rule.often
    assert str(cron_parse(found.expression)) == stored


@pytest.mark.parametrize(
    ("expression", "often"),
    [
        ("@daily", Often.DAILY),
        ("0 4 * * MON-FRI", Often.WEEKLY),
        ("0 4 * * 5-7", Often.WEEKLY),
        ("0 4 L * *", Often.MONTHLY),
        ("*/15 * * * *", Often.CRON),
        ("0 4,16 * * *", Often.CRON),
        ("0 4 1 * 1", Often.CRON),
        ("0 4 * * 5L", Often.CRON),
        ("0 4 * * 1#2", Often.CRON),
        ("0 4 1 1 *", Often.CRON),
        ("30 0 4 * * *", Often.CRON),
        ("0 0 4 * * * 2030", Often.CRON),
        ("nonsense", Often.CRON),
    ],
)
def test_other_expressions_are_left_to_the_raw_field(expression, often):
    found = rule_of(expression)
    assert found.often is often
    assert found.cron == expression
