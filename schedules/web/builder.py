"""The builder of cron expressions: hourly, daily, weekly, monthly, and back from an expression to its fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time
from enum import StrEnum

from common.errors import ValidationError
from schedules.cron import cron_parse

LAST_DAY = "L"
AT_NIGHT = time(4, 0)


class Often(StrEnum):
    """How often a schedule runs, as the builder offers it; CRON is the raw field."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    CRON = "cron"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The fields of the builder. Only those of its kind count: minute for hourly, at for the others, weekdays (0 for
    Sunday) for weekly, day (1 to 31, or `L` for the last) for monthly, cron for the raw field.
    """

    often: Often
    minute: int = 0
    at: time = AT_NIGHT
    weekdays: tuple[int, ...] = (1,)
    day: str = "1"
    cron: str = ""

    @property
    def expression(self) -> str:
        """The cron expression."""
        clock = f"{self.at.minute} {self.at.hour}"
        match self.often:
            case Often.HOURLY:
                return f"{self.minute} * * * *"
            case Often.DAILY:
                return f"{clock} * * *"
            case Often.WEEKLY:
                return f"{clock} * * {','.join(str(day) for day in sorted(set(self.weekdays)))}"
            case Often.MONTHLY:
                return f"{clock} {self.day} * *"
        return self.cron


def rule_of(expression: str) -> Rule:
    """The fields that make an expression; the raw field for one that the builder does not offer, or nobody can read."""
    try:
        second, minute, hour, day, month, weekday, year = cron_parse(expression).parts
    except ValidationError:
        return Rule(often=Often.CRON, cron=expression)
    raw = Rule(often=Often.CRON, cron=expression)
    if (second, month, year) != ("0", "*", "*") or not minute.isdigit():
        return raw
    if (hour, day, weekday) == ("*", "*", "*"):
        return Rule(often=Often.HOURLY, minute=int(minute), cron=expression)
    return _rule_of_days(raw, at=time(int(hour), int(minute)), day=day, weekday=weekday) if hour.isdigit() else raw


def _rule_of_days(raw: Rule, *, at: time, day: str, weekday: str) -> Rule:
    if (day, weekday) == ("*", "*"):
        return replace(raw, often=Often.DAILY, at=at)
    if day == "*" and (days := _weekdays(weekday)):
        return replace(raw, often=Often.WEEKLY, at=at, weekdays=days)
    if weekday == "*" and (day.isdigit() or day == LAST_DAY):
        return replace(raw, often=Often.MONTHLY, at=at, day=day)
    return raw


def _weekdays(text: str) -> tuple[int, ...]:
    """The days of a list of days and of plain ranges; none where something else is in it."""
    found: set[int] = set()
    for item in text.split(","):
        first, _, last = item.partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            return ()
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(day % 7 for day in found))
