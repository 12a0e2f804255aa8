"""The rule: from the facts about an order to its state, with the reason, and thirty days of it. Pure: no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum

from django.db.models import TextChoices
from django.utils.translation import pgettext_lazy

DAYS = 30
GOOD_FOR = timedelta(days=7)
"""How long a backup of a server without a schedule protects it."""
GRACE = timedelta(minutes=5)
"""A run that has not begun so long after its time is overdue."""
SLACK = 0.25
SLACK_MAX = timedelta(hours=6)
"""Backups take unequal times: the next good one may be late by a quarter of the time between them, and by no more."""


class State(TextChoices):
    """Whether the server of an order could be brought back."""

    PROTECTED = "protected", pgettext_lazy("state of a server", "Protected")
    AT_RISK = "at_risk", pgettext_lazy("state of a server", "At risk")
    UNPROTECTED = "unprotected", pgettext_lazy("state of a server", "Not protected")


class Reason(StrEnum):
    """The reason for a state; the first that holds, in this order."""

    NOT_IN_PLAN = "not_in_plan"
    NONE_YET = "none_yet"
    NO_GOOD = "no_good"
    COLLAPSED = "collapsed"
    DAMAGED = "damaged"
    SUSPENDED = "suspended"
    NO_LONGER_IN_PLAN = "no_longer_in_plan"
    FAILED = "failed"
    BROKEN = "broken"
    OVERDUE = "overdue"
    OLD = "old"
    GOOD = "good"


UNPROTECTED = (Reason.NOT_IN_PLAN, Reason.NONE_YET, Reason.NO_GOOD)


class DayState(StrEnum):
    """One day of the strip. Overdue: a backup was due and is missing. Quiet: none was due."""

    OK = "ok"
    WARNINGS = "warnings"
    FAILED = "failed"
    RUNNING = "running"
    OVERDUE = "overdue"
    QUIET = "quiet"


@dataclass(slots=True)
class DayFacts:
    """Ends on one day. good: backups, and runs that found nothing changed; flawed: those of them with warnings."""

    good: int = 0
    flawed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a backup was due and missing; `until` is None while it still is."""

    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFacts:
    """One schedule that is not paused. next_at: of its next run, None while one is late, and for a broken schedule.
    expected_at: the first of its times after the newest good backup.
    """

    name: str
    error_code: str = ""
    next_at: datetime | None = None
    expected_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the rule reads about one order.

    any_backup: whether there is any of the present server, good or not. good_at: the end of the newest good backup;
    unchanged_at: of the newest run that found it still current. warned_at: of the newest good one with warnings.
    collapsed_at, damaged_at: of the newest backup of a server that had lost its files, and of the newest damaged one.
    verified_at, tested_at: the newest verification of a good backup, and the newest restore of one in a test. idle:
    whether no worker is at work. paused: whether there are schedules, and all of them are paused. waiting_since: the
    time of the first run that waits and is not late yet. failures: the days of runs that failed, each with the newest
    error code. gaps: the times of missing runs. zone: in which days begin.
    """

    zone: tzinfo
    in_plan: bool = True
    suspended: bool = False
    any_backup: bool = False
    good_at: datetime | None = None
    unchanged_at: datetime | None = None
    warned_at: datetime | None = None
    collapsed_at: datetime | None = None
    damaged_at: datetime | None = None
    verified_at: datetime | None = None
    tested_at: datetime | None = None
    running: bool = False
    idle: bool = False
    paused: bool = False
    waiting_since: datetime | None = None
    schedules: tuple[ScheduleFacts, ...] = ()
    failed_at: datetime | None = None
    failures: Mapping[date, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    days: Mapping[date, DayFacts] = field(default_factory=dict)

    @property
    def makes_backups(self) -> bool:
        """Whether new backups may be made: a schedule promises none to an order that is not allowed any."""
        return self.in_plan and not self.suspended


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the strip, with the counts that its words name."""

    date: date
    state: DayState
    good: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The state of an order. No relative time is in it: equal values look the same.

    good_at: when the newest good backup was last known to be current. proven_at: when one was last verified or restored
    in a test; tested: whether that was a restore. promised_until: by when the schedules promise the next good one; None
    where they promise nothing. until: when the state may change without any news. failed_days, code: of the failures
    since the last good backup. schedule: the name of the broken one. overdue_since: the time of the first missing run.
    warned: whether the newest good backup has warnings; paused, idle: as in the facts.
    """

    state: State
    reason: Reason
    good_at: datetime | None = None
    proven_at: datetime | None = None
    tested: bool = False
    next_at: datetime | None = None
    promised_until: datetime | None = None
    until: datetime | None = None
    failed_days: tuple[date, ...] = ()
    code: str = ""
    schedule: str = ""
    overdue_since: datetime | None = None
    warned: bool = False
    paused: bool = False
    idle: bool = False
    days: tuple[Day, ...] = ()

    def absent(self, now: datetime) -> bool:
        """Whether there has been no good backup for longer than promised."""
        return self.promised_until is not None and now > self.promised_until


def protection_of(facts: Facts, now: datetime) -> Protection:
    """The protection that follows from the facts."""
    good_at = current_at(facts.good_at, facts.unchanged_at)
    promised_until = _promised_until(facts, good_at)
    old_at = promised_until or (good_at + GOOD_FOR if good_at else None)
    overdue_since = min((gap.since for gap in facts.gaps if gap.until is None), default=None)
    broken = next((schedule for schedule in facts.schedules if schedule.error_code), None)
    failed = facts.failed_at if good_at is None or (facts.failed_at and facts.failed_at > good_at) else None
    made = facts.good_at
    holds = {
        Reason.NOT_IN_PLAN: not facts.in_plan and good_at is None,
        Reason.NONE_YET: good_at is None and not facts.any_backup,
        Reason.NO_GOOD: good_at is None,
        Reason.COLLAPSED: bool(made and facts.collapsed_at and facts.collapsed_at > made),
        Reason.DAMAGED: bool(made and facts.damaged_at and facts.damaged_at > made),
        Reason.SUSPENDED: facts.suspended,
        Reason.NO_LONGER_IN_PLAN: not facts.in_plan,
        Reason.FAILED: failed is not None,
        Reason.BROKEN: broken is not None,
        Reason.OVERDUE: overdue_since is not None,
        Reason.OLD: old_at is not None and now > old_at,
    }
    reason = next((reason for reason, held in holds.items() if held), Reason.GOOD)
    failed_days = _days_since(facts, good_at) if failed else ()
    next_at = min((schedule.next_at for schedule in facts.schedules if schedule.next_at), default=None)
    overdue_at = [at + GRACE for at in (next_at, facts.waiting_since) if at]
    return Protection(
        state=_state(reason),
        reason=reason,
        good_at=good_at,
        proven_at=max((at for at in (facts.verified_at, facts.tested_at) if at), default=None),
        tested=facts.tested_at is not None and (facts.verified_at is None or facts.tested_at >= facts.verified_at),
        next_at=next_at if facts.makes_backups else None,
        promised_until=promised_until,
        until=min((at for at in (old_at, *overdue_at) if at and at > now), default=None),
        failed_days=failed_days,
        code=facts.failures[failed_days[-1]] if failed_days else (broken.error_code if broken else ""),
        schedule=broken.name if broken else "",
        overdue_since=overdue_since,
        warned=made is not None and facts.warned_at == made,
        paused=facts.paused,
        idle=facts.idle,
        days=_strip(facts, now),
    )


def _state(reason: Reason) -> State:
    if reason is Reason.GOOD:
        return State.PROTECTED
    return State.UNPROTECTED if reason in UNPROTECTED else State.AT_RISK


def current_at(good_at: datetime | None, unchanged_at: datetime | None) -> datetime | None:
    """When the newest good backup was last known to be current: a run that found nothing changed confirms it."""
    if good_at is None or unchanged_at is None:
        return good_at
    return max(good_at, unchanged_at)


def _promised_until(facts: Facts, good_at: datetime | None) -> datetime | None:
    expected = min((schedule.expected_at for schedule in facts.schedules if schedule.expected_at), default=None)
    if expected is None or not facts.makes_backups:
        return None
    between = expected - good_at if good_at else SLACK_MAX
    return expected + max(GRACE, min(between * SLACK, SLACK_MAX))


def _days_since(facts: Facts, good_at: datetime | None) -> tuple[date, ...]:
    first = good_at.astimezone(facts.zone).date() if good_at else date.min
    return tuple(sorted(day for day in facts.failures if day >= first))


def _strip(facts: Facts, now: datetime) -> tuple[Day, ...]:
    today = now.astimezone(facts.zone).date()
    missing = {day for gap in facts.gaps for day in _gap_days(gap, now=now, zone=facts.zone)}
    open_gap = any(gap.until is None for gap in facts.gaps)
    return tuple(
        _day(facts, day, missing=day in missing, overdue=open_gap and day == today, running=day == today)
        for day in (today - timedelta(days=back) for back in reversed(range(DAYS)))
    )


def _gap_days(gap: Gap, *, now: datetime, zone: tzinfo) -> set[date]:
    first, last = gap.since.astimezone(zone).date(), (gap.until or now).astimezone(zone).date()
    first = max(first, last - timedelta(days=DAYS))
    return {first + timedelta(days=number) for number in range((last - first).days + 1)}


def _day(facts: Facts, day: date, *, missing: bool, overdue: bool, running: bool) -> Day:
    seen = facts.days.get(day, DayFacts())
    if running and facts.running:
        state = DayState.RUNNING
    elif overdue:
        state = DayState.OVERDUE
    elif seen.good:
        state = DayState.WARNINGS if seen.flawed or seen.failed else DayState.OK
    elif seen.failed:
        state = DayState.FAILED
    else:
        state = DayState.OVERDUE if missing else DayState.QUIET
    return Day(date=day, state=state, good=seen.good, failed=seen.failed)
