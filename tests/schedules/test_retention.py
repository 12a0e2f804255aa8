"""Retention as a pure function: rules, what never goes, zones, and 10,000 backups."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.retention import RULES, RetentionPolicy
from schedules.retention import Candidate, Decision, Reason, retention_decide, rotation_choose
from schedules.web.reasons import REASON_WORDS

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                                     "Asia/Kathmandu", "Pacific/Apia")]  # fmt: skip


def made(*times: datetime, **flags) -> list[Candidate]:
    return [Candidate(id=UUID(int=number), at=at, **flags) for number, at in enumerate(times)]


def hourly(start: datetime, count: int, *, zone: ZoneInfo = BERLIN, minutes: int = 60) -> list[Candidate]:
    """So many backups from a time on, `minutes` of real time apart."""
    first = start.astimezone(UTC)
    return made(*((first + timedelta(minutes=minutes * step)).astimezone(zone) for step in range(count)))


def kept(decision: Decision) -> list[int]:
    return sorted(backup.int for backup in decision.keeps)


def test_each_rule_keeps_the_newest_of_its_newest_buckets():
    backups = hourly(datetime(2026, 3, 1, tzinfo=UTC), 24 * 10, zone=ZoneInfo("UTC"))
    decision = retention_decide(backups, RetentionPolicy(last=1, hourly=3, daily=2, weekly=2))
    assert kept(decision) == [191, 215, 237, 238, 239]
    newest = decision.keeps[UUID(int=239)]
    assert newest[:4] == (Reason.LAST, Reason.HOURLY, Reason.DAILY, Reason.WEEKLY)
    assert set(decision.removes.values()) == {Reason.NO_LONGER_KEPT}


def test_buckets_without_a_backup_do_not_count():
    zone = ZoneInfo("UTC")
    backups = made(*(datetime(year, 6, 1, tzinfo=zone) for year in (2010, 2015, 2020, 2025)))
    assert kept(retention_decide(backups, RetentionPolicy(yearly=3))) == [1, 2, 3]
    assert kept(retention_decide(backups, RetentionPolicy(daily=2))) == [2, 3]


def test_days_are_those_of_the_zone():
    backups = made(datetime(2026, 6, 1, 23, 30, tzinfo=BERLIN), datetime(2026, 6, 2, 0, 30, tzinfo=BERLIN))
    assert kept(retention_decide(backups, RetentionPolicy(daily=2))) == [0, 1]
    in_utc = [replace(backup, at=backup.at.astimezone(ZoneInfo("UTC"))) for backup in backups]
    assert kept(retention_decide(in_utc, RetentionPolicy(daily=2))) == [1]


def test_both_hours_of_the_night_when_clocks_are_set_back_are_hours():
    backups = hourly(datetime(2026, 10, 24, 23, tzinfo=UTC), 4)
    assert [backup.at.hour for backup in backups] == [1, 2, 2, 3]
    assert kept(retention_decide(backups, RetentionPolicy(hourly=4))) == [0, 1, 2, 3]


@pytest.mark.parametrize("day", [datetime(2026, 3, 30, 4, tzinfo=BERLIN), datetime(2026, 10, 26, 4, tzinfo=BERLIN)])
def test_day_within_is_a_day_of_the_clock_however_long(day):
    backups = made(day - timedelta(days=1), day - timedelta(days=1, minutes=1), day)
    assert kept(retention_decide(backups, RetentionPolicy(within_days=1))) == [0, 2]


def test_locked_and_safety_backups_neither_count_nor_go():
    backups = hourly(datetime(2026, 3, 1, tzinfo=UTC), 6)
    backups[5] = replace(backups[5], safety=True)
    backups[4] = replace(backups[4], locked=True)
    backups[0] = replace(backups[0], locked=True)
    decision = retention_decide(backups, RetentionPolicy(last=2))
    assert kept(decision) == [0, 2, 3, 4, 5]
    assert decision.keeps[UUID(int=0)] == (Reason.LOCKED,)
    assert decision.keeps[UUID(int=5)] == (Reason.SAFETY,)


def test_last_good_and_last_proven_never_go():
    backups = hourly(datetime(2026, 3, 1, tzinfo=UTC), 5)
    backups[1] = replace(backups[1], proven=True)
    decision = retention_decide(backups, RetentionPolicy(last=1))
    assert decision.keeps == {UUID(int=4): (Reason.LAST, Reason.LAST_GOOD), UUID(int=1): (Reason.LAST_PROVEN,)}
    failing = [replace(backup, good=backup.id.int < 3) for backup in backups]
    assert UUID(int=2) in retention_decide(failing, RetentionPolicy(last=1)).keeps


def test_failed_ones_do_not_count_and_go_with_their_age():
    backups = hourly(datetime(2026, 3, 1, tzinfo=UTC), 8)
    failed = {1, 3, 5, 7}
    backups = [replace(backup, good=backup.id.int not in failed) for backup in backups]
    decision = retention_decide(backups, RetentionPolicy(last=2))
    assert kept(decision) == [4, 5, 6, 7]
    assert decision.keeps[UUID(int=7)] == decision.keeps[UUID(int=5)] == (Reason.AMONG_KEPT,)


def test_policy_without_a_rule_keeps_everything():
    backups = hourly(datetime(2026, 3, 1, tzinfo=UTC), 3)
    decision = retention_decide(backups, RetentionPolicy())
    assert (kept(decision), decision.removes) == ([0, 1, 2], {})
    assert decision.keeps[UUID(int=0)] == (Reason.NO_RULE,)


@pytest.mark.parametrize("rule", RULES)
def test_negative_rule_is_refused(rule):
    with pytest.raises(ValueError, match="negative"):
        RetentionPolicy(**{rule: -1})


def test_rotation_takes_the_oldest_that_may_go():
    backups = hourly(datetime(2026, 3, 1, tzinfo=UTC), 5)
    backups[0] = replace(backups[0], locked=True)
    backups[1] = replace(backups[1], proven=True)
    assert [found.int for found in rotation_choose(backups, 2)] == [2, 3]
    assert rotation_choose(backups, 0) == []
    assert [found.int for found in rotation_choose(backups, 9)] == [2, 3]


times = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@st.composite
def candidates(draw) -> list[Candidate]:
    zone = draw(st.sampled_from(ZONES))
    drawn = draw(st.lists(st.tuples(times, *[st.booleans()] * 5), max_size=30))
    return [
        Candidate(id=UUID(int=number), at=at.astimezone(zone), good=good, proven=good and proven,
                  locked=locked and safety, safety=safety and not locked, busy=busy and locked)
        for number, (at, good, proven, locked, safety, busy) in enumerate(drawn)
    ]  # fmt: skip


policies = st.builds(RetentionPolicy, **{rule: st.integers(0, 5) for rule in RULES})


@given(candidates(), policies)
@settings(deadline=None, max_examples=300)
def test_every_backup_is_decided_once_and_the_protected_stay(backups, policy):
    decision = retention_decide(backups, policy)
    assert decision.keeps.keys() | decision.removes.keys() == {backup.id for backup in backups}
    assert not decision.keeps.keys() & decision.removes.keys()
    newest_first = sorted(backups, key=lambda backup: backup.moment, reverse=True)
    usable = [backup for backup in newest_first if backup.good and not backup.safety]
    protected = {backup.id for backup in backups if backup.held} | {backup.id for backup in usable[:1]}
    protected |= {backup.id for backup in usable if backup.proven} and {
        next(backup.id for backup in usable if backup.proven)
    }
    assert protected <= decision.keeps.keys()


@given(candidates(), policies, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_order_of_the_input_changes_nothing(backups, policy, mixed: random.Random):
    shuffled = backups[:]
    mixed.shuffle(shuffled)
    assert retention_decide(shuffled, policy) == retention_decide(backups, policy)


@given(candidates(), policies)
@settings(deadline=None, max_examples=200)
def test_removing_what_goes_leaves_nothing_more_to_go(backups, policy):
    removed = retention_decide(backups, policy).removes
    left = [backup for backup in backups if backup.id not in removed]
    assert not retention_decide(left, policy).removes


@given(candidates(), policies, st.sampled_from(RULES))
@settings(deadline=None, max_examples=200)
def test_larger_rule_keeps_all_that_a_smaller_one_keeps(backups, policy, rule):
    if not policy.rules:
        return
    larger = replace(policy, **{rule: getattr(policy, rule) + 1})
    counted = {backup.id for backup in backups if backup.good}
    assert retention_decide(backups, policy).keeps.keys() & counted <= retention_decide(backups, larger).keeps.keys()


def test_ten_thousand_backups_take_no_more_than_a_sort_of_them_many_times():
    backups = hourly(datetime(2025, 1, 1, tzinfo=UTC), 10_000)
    policy = RetentionPolicy(last=10, hourly=48, daily=30, weekly=12, monthly=24, yearly=5, within_days=90)

    def fastest(work) -> float:
        spent = []
        for _ in range(5):
            began = time.perf_counter()
            work()
            spent.append(time.perf_counter() - began)
        return min(spent)

    decide = fastest(lambda: retention_decide(backups, policy))
    sort = fastest(lambda: sorted(backups, key=lambda backup: backup.moment))
    assert decide < 8 * sort
    print(f"{decide * 1000:.1f} ms, a sort {sort * 1000:.1f} ms")  # noqa: T201


def test_every_reason_has_words():
    assert REASON_WORDS.keys() == set(Reason)
