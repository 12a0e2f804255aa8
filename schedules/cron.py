"""Cron expressions: their form, the sentence for a wrong one, and the least time between two matches.

Five fields are minute, hour, day of the month, month and day of the week. Six have the second in front, seven have the
year at the end as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from croniter import CroniterBadDateError, croniter
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy

from common.errors import ValidationError
from schedules.models.schedule import CRON_LENGTH_MAX

NAMED: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
DAY = timedelta(days=1)
SIZES = (5, 6, 7)
YEARS = (1970, 2099)
DAYS_LOOKED_AT = 400
"""How many matching days are looked at for two that follow each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: the name that people read, the range of its numbers, and the names that stand for numbers."""

    title: Promise
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int | None:
        """The number that a word of this field means; None when it means none."""
        if word in self.names:
            return self.names.index(word) + self.low
        value = int(word) if word.isascii() and word.isdigit() else None
        return value if value is not None and self.low <= value <= self.high else None


SECOND = Field(title=pgettext_lazy("field of a cron expression", "second"), low=0, high=59)
MINUTE = Field(title=pgettext_lazy("field of a cron expression", "minute"), low=0, high=59)
HOUR = Field(title=pgettext_lazy("field of a cron expression", "hour"), low=0, high=23)
DAY_OF_MONTH = Field(title=pgettext_lazy("field of a cron expression", "day of the month"), low=1, high=31)
MONTH = Field(
    title=pgettext_lazy("field of a cron expression", "month"),
    low=1,
    high=12,
    names=("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
DAY_OF_WEEK = Field(
    title=pgettext_lazy("field of a cron expression", "day of the week"),
    low=0,
    high=7,
    names=("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
)
YEAR = Field(title=pgettext_lazy("field of a cron expression", "year"), low=YEARS[0], high=YEARS[1])

FIELDS = (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR)

_ITEM = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d{1,4}))?", re.ASCII)
_SPECIAL_DAY = re.compile(r"\w+#[1-5]|\w+L", re.ASCII)

_WRONG_COUNT = _("A cron expression has 5, 6 or 7 fields, or is one of: %(names)s.")
_WRONG_VALUE = _("“%(text)s” is no value of the field “%(field)s”, which takes %(low)s to %(high)s.")
_WRONG_ORDER = _("“%(text)s” in the field “%(field)s” ends before it begins.")
_WRONG_STEP = _("The step in “%(text)s” is larger than the field “%(field)s”, or zero.")
_WRONG_DAYS = _("“%(text)s” cannot be combined with days of the month: write * there.")
_NEVER = _("No date matches this expression.")
_TOO_LONG = _("A cron expression has at most %(most)s characters.")
_TOO_OFTEN = ngettext_lazy(
    "This runs more often than your plan allows: at most once in %(minutes)s minute.",
    "This runs more often than your plan allows: at most once in %(minutes)s minutes.",
    "minutes",
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A valid expression, field by field: second, minute, hour, day of month, month, day of week, year."""

    parts: tuple[str, str, str, str, str, str, str]

    def __str__(self) -> str:
        """The expression in its shortest form, which `cron_parse` reads."""
        seconds, *usual, years = self.parts
        if years != "*":
            return " ".join(self.parts)
        return " ".join(usual if seconds == "0" else (seconds, *usual))

    @property
    def has_set_time(self) -> bool:
        """Whether it names times of the clock: neither its minute nor its hour begins with a *."""
        return not self.parts[1].startswith("*") and not self.parts[2].startswith("*")

    def matches(self, after: datetime) -> Iterator[datetime]:
        """The times of a clock without a zone that match, later than `after` (naive), in their order."""
        # Sunday may be a 7, and the last Friday is written 5L here, l5 there.
        *others, weekday, year = self.parts
        weekday = ",".join(f"L{day[:-1]}" if day.endswith("L") else day for day in weekday.split(","))
        found = croniter(
            " ".join((*others, weekday, year)), after, ret_type=datetime, second_at_beginning=True,
            implement_cron_bug=True,
        )  # fmt: skip
        while True:
            try:
                yield found.get_next()
            except CroniterBadDateError:
                return


def cron_parse(text: str) -> Cron:
    """Read an expression. Raises ValidationError with the reason, as the error of the field `cron`.

    An expression that no date ever matches is read all the same: time passes, and a year may lie behind.
    """
    if len(text) > CRON_LENGTH_MAX:
        raise _refused(_TOO_LONG, most=CRON_LENGTH_MAX)
    return _parsed(text)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Cron:
    words = NAMED.get(text.strip().lower(), text).upper().split()
    if len(words) not in SIZES:
        raise _refused(_WRONG_COUNT, names=", ".join(NAMED))
    if len(words) == SIZES[0]:
        words.insert(0, "0")
    if len(words) == SIZES[1]:
        words.append("*")
    second, minute, hour, day, month, weekday, year = (
        ",".join(_item(word, field) for word in part.split(",")) for part, field in zip(words, FIELDS, strict=True)
    )
    if day != "*" and any(_SPECIAL_DAY.fullmatch(item) for item in weekday.split(",")):
        raise _refused(_WRONG_DAYS, text=weekday)
    return Cron((second, minute, hour, day, month, weekday, year))


def cron_require(cron: Cron, *, shortest: timedelta | None, now: datetime) -> None:
    """Raise ValidationError, as `cron_parse`, when no time after `now` matches, or two are nearer than `shortest`."""
    if next(cron.matches(now.replace(tzinfo=None) - DAY), None) is None:
        raise _refused(_NEVER)
    if shortest is not None and cron_gap(cron, now=now) < shortest:
        raise _refused(_TOO_OFTEN, minutes=shortest // timedelta(minutes=1))


def cron_gap(cron: Cron, *, now: datetime) -> timedelta:
    """The least time between two matches in one day, or on two days that follow each other; no more than a day."""
    times = _times_of_day(cron)
    gap = min((later - earlier for earlier, later in pairwise(times)), default=DAY)
    overnight = DAY - times[-1] + times[0]
    if overnight >= gap:
        return gap
    days = cron.parts[3:]
    of_days = Cron(("0", "0", "0", *days))
    found = [
        day for day, _number in zip(of_days.matches(now.replace(tzinfo=None)), range(DAYS_LOOKED_AT), strict=False)
    ]
    follow = any(later - earlier == DAY for earlier, later in pairwise(found))
    return overnight if follow else gap


def _times_of_day(cron: Cron) -> list[timedelta]:
    """The first times of a matching day that tell the least distance between any two."""
    seconds, minutes, hours = (_numbers(part, field) for part, field in zip(cron.parts[:3], FIELDS[:3], strict=True))
    return [
        timedelta(hours=hour, minutes=minute, seconds=second)
        for hour in hours
        for minute in minutes
        for second in seconds
    ]


def _numbers(part: str, field: Field) -> list[int]:
    """Every number that a field without special days matches, ascending."""
    found: set[int] = set()
    for item in part.split(","):
        words = _ITEM.fullmatch(item)
        if words is None:
            raise ValueError(item)
        first, last, step = _span(words, field)
        found.update(range(first, last + 1, step))
    return sorted(found)


def _item(text: str, field: Field) -> str:
    """One item of a field's list in its normal form. Raises ValidationError."""
    if field in (DAY_OF_MONTH, DAY_OF_WEEK) and text == "?":
        return "*"
    if field is DAY_OF_MONTH and text == "L":
        return text
    day, mark, rest = text.partition("#") if "#" in text else (text[:-1], text[-1:], "")
    if field is DAY_OF_WEEK and _SPECIAL_DAY.fullmatch(text) and (number := field.number(day)) is not None:
        return f"{number % 7}{mark}{rest}"
    words = _ITEM.fullmatch(text)
    if words is None:
        raise _refused(_WRONG_VALUE, text=text, field=field.title, low=field.low, high=field.high)
    return _normal(words, field)


def _normal(words: re.Match[str], field: Field) -> str:
    text = words[0]
    told = {"text": text, "field": field.title}
    for word in (words["first"], words["last"]):
        if (word not in ("*", None) and field.number(word) is None) or (words["first"] == "*" and words["last"]):
            raise _refused(_WRONG_VALUE, **told, low=field.low, high=field.high)
    first, last, step = _span(words, field)
    if last < first:
        raise _refused(_WRONG_ORDER, **told)
    if not 1 <= step <= field.high - field.low:
        raise _refused(_WRONG_STEP, **told)
    if words["first"] == "*":
        return "*" if step == 1 else f"*/{step}"
    if field is DAY_OF_WEEK and last == DAY_OF_WEEK.high:
        return ",".join(str(day % 7) for day in range(first, last + 1, step))
    if step > last - first:
        # The first number alone. With its step croniter would read it as every so many.
        return str(first)
    return f"{first}-{last}" if step == 1 else f"{first}-{last}/{step}"


def _span(words: re.Match[str], field: Field) -> tuple[int, int, int]:
    """First, last and step of an item whose words are known to be numbers of the field."""
    step = int(words["step"]) if words["step"] else 1
    if words["first"] == "*":
        return field.low, field.high, step
    first = field.number(words["first"])
    last = field.number(words["last"]) if words["last"] else None
    if first is None:
        raise ValueError(words[0])
    if last is None:
        last = (6 if field is DAY_OF_WEEK else field.high) if words["step"] else first
    return first, last, step


def _refused(sentence: str | Promise, **values: object) -> ValidationError:
    return ValidationError(errors={"cron": [str(sentence % values)]})
