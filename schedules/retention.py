"""Retention as a pure function: the backups that a policy keeps, those that go, and the reasons.

Only good backups count: a rule of seven days keeps good backups of seven days. Locked and safety backups neither count
nor go, nor does one from the future, which would push out all others until its time has come. Failed, damaged and
collapsed ones do not count either, and go with their age: once every backup that a rule keeps is newer. The newest good
backup and the newest proven one never go, whatever the rules say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from uuid import UUID

from orders.retention import RetentionPolicy


class Reason(StrEnum):
    """The reason why a backup stays or goes."""

    LAST = "last"
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    WITHIN_DAYS = "within_days"
    LOCKED = "locked"
    SAFETY = "safety"
    BUSY = "busy"
    AHEAD = "ahead"
    LAST_GOOD = "last_good"
    LAST_PROVEN = "last_proven"
    AMONG_KEPT = "among_kept"
    NO_RULE = "no_rule"
    NO_LONGER_KEPT = "no_longer_kept"
    OVER_LIMIT = "over_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One backup as retention sees it.

    at: when it was made, in the zone of its schedule. good: it is complete, and neither damaged nor collapsed. proven:
    it is good and was read back. busy: it is being made or restored. ahead: its time has not come yet, because a clock
    was ahead when it was made.
    """

    id: UUID
    at: datetime
    good: bool = True
    proven: bool = False
    locked: bool = False
    safety: bool = False
    busy: bool = False
    ahead: bool = False

    @property
    def moment(self) -> tuple[datetime, str]:
        """The order of backups in time; the id decides between equal times."""
        return self.at.astimezone(UTC), str(self.id)

    @property
    def held(self) -> Reason | None:
        """The reason why the backup is no candidate at all."""
        if self.safety:
            return Reason.SAFETY
        if self.locked:
            return Reason.LOCKED
        if self.ahead:
            return Reason.AHEAD
        return Reason.BUSY if self.busy else None


@dataclass(frozen=True, slots=True)
class Decision:
    """The reasons for every backup: those that stay, with at least one each, and those that go; newest first."""

    keeps: dict[UUID, tuple[Reason, ...]] = field(default_factory=dict)
    removes: dict[UUID, Reason] = field(default_factory=dict)


def retention_decide(backups: Iterable[Candidate], policy: RetentionPolicy) -> Decision:
    """Decide about backups, given in any order. The same backups always lead to the same decision."""
    newest_first = sorted(backups, key=lambda backup: backup.moment, reverse=True)
    counted = [backup for backup in newest_first if backup.good and backup.held is None]
    kept = _kept_by_rules(counted, policy)
    last_kept = max((place for place, backup in enumerate(newest_first) if backup.id in kept), default=None)
    never = _never_go(newest_first)
    decision = Decision()
    bounded = bool(policy.rules)
    for place, backup in enumerate(newest_first):
        reasons = [*kept.get(backup.id, [])] if (held := backup.held) is None else [held]
        if not reasons and not bounded:
            reasons = [Reason.NO_RULE]
        if not reasons and not backup.good and (last_kept is None or place < last_kept):
            reasons = [Reason.AMONG_KEPT]
        reasons += never.get(backup.id, [])
        if reasons:
            decision.keeps[backup.id] = tuple(reasons)
        else:
            decision.removes[backup.id] = Reason.NO_LONGER_KEPT
    return decision


def rotation_choose(backups: Iterable[Candidate], count: int, *, last: Collection[UUID] = ()) -> list[UUID]:
    """The oldest backups that may go to make room, at most so many: never the last good nor the last proven one.

    last: backups that go only after all the others.
    """
    newest_first = sorted(backups, key=lambda backup: backup.moment, reverse=True)
    never = _never_go(newest_first)
    may_go = [backup.id for backup in reversed(newest_first) if backup.held is None and backup.id not in never]
    return sorted(may_go, key=lambda going: going in last)[: max(0, count)]


def _never_go(newest_first: Sequence[Candidate]) -> dict[UUID, list[Reason]]:
    never: dict[UUID, list[Reason]] = {}
    usable = [backup for backup in newest_first if backup.good and not backup.safety and not backup.ahead]
    good = next(iter(usable), None)
    proven = next((backup for backup in usable if backup.proven), None)
    for backup, reason in ((good, Reason.LAST_GOOD), (proven, Reason.LAST_PROVEN)):
        if backup is not None:
            never.setdefault(backup.id, []).append(reason)
    return never


def _kept_by_rules(counted: Sequence[Candidate], policy: RetentionPolicy) -> dict[UUID, list[Reason]]:
    kept: dict[UUID, list[Reason]] = {}
    for backup in counted[: policy.last]:
        kept.setdefault(backup.id, []).append(Reason.LAST)
    for reason, most, bucket in (
        (Reason.HOURLY, policy.hourly, _hour),
        (Reason.DAILY, policy.daily, _day),
        (Reason.WEEKLY, policy.weekly, _week),
        (Reason.MONTHLY, policy.monthly, _month),
        (Reason.YEARLY, policy.yearly, _year),
    ):
        for backup in _newest_of_each(counted, most, bucket):
            kept.setdefault(backup.id, []).append(reason)
    if policy.within_days and counted:
        # By the wall clock: a day of 23 or 25 hours is a day.
        since = (counted[0].at - timedelta(days=policy.within_days)).astimezone(UTC)
        for backup in takewhile(lambda backup: backup.at.astimezone(UTC) >= since, counted):
            kept.setdefault(backup.id, []).append(Reason.WITHIN_DAYS)
    return kept


def _newest_of_each(
    newest_first: Sequence[Candidate], most: int, bucket: Callable[[datetime], Hashable]
) -> list[Candidate]:
    """The newest backup of each of the newest buckets that have one."""
    found: dict[Hashable, Candidate] = {}
    if not most:
        return []
    for backup in newest_first:
        if (name := bucket(backup.at)) in found:
            continue
        if len(found) == most:
            break
        found[name] = backup
    return list(found.values())


def _hour(at: datetime) -> Hashable:
    # The offset tells the two hours apart that have one name when clocks are set back.
    return at.year, at.month, at.day, at.hour, at.utcoffset()


def _day(at: datetime) -> Hashable:
    return at.year, at.month, at.day


def _week(at: datetime) -> Hashable:
    return at.isocalendar()[:2]


def _month(at: datetime) -> Hashable:
    return at.year, at.month


def _year(at: datetime) -> Hashable:
    return at.year
