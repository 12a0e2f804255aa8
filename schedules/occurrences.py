"""Cron expressions in a time zone: the moments at which they match, by the rules of the zone.

An expression that names times of the clock runs once for each: a time that the zone skips runs at the first moment
after the gap, a time that happens twice runs at the first. Any other expression runs at every moment whose local time
matches: not in a skipped hour, twice in a doubled one. Debian's cron has the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from accounts.preferences import time_zone_find
from common.errors import ValidationError
from schedules.cron import Cron

SECOND = timedelta(seconds=1)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name. Raises ValidationError, as the error of the field `time_zone`."""
    zone = time_zone_find(name)
    if zone is None:
        raise ValidationError(errors={"time_zone": [_("There is no time zone of this name.")]})
    return zone


def occurrences(cron: Cron, *, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """The moments (UTC) later than `after` at which an expression matches in a zone, ascending, each once."""
    moment = after.astimezone(UTC).replace(microsecond=0)
    find = _set_times if cron.has_set_time else _every_match
    return find(cron, zone, moment)


def occurrence_next(cron: Cron, *, zone: tzinfo, after: datetime) -> datetime | None:
    """The first moment later than `after`; None when no date matches any more."""
    return next(occurrences(cron, zone=zone, after=after), None)


def occurrences_first(cron: Cron, *, zone: tzinfo, after: datetime, count: int) -> list[datetime]:
    """The first `count` moments later than `after`; fewer when no further date matches."""
    return list(islice(occurrences(cron, zone=zone, after=after), count))


def occurrence_last(cron: Cron, *, zone: tzinfo, first: datetime, until: datetime) -> datetime:
    """The last moment up to `until`, given that `first` is one of them.

    The search goes back from `until` in doubling steps, so that a schedule of every second that was late for days costs
    a few of them.
    """
    last = first
    while last < until:
        back = SECOND
        while until - back > last and not _is_one(cron, zone, until - back, until):
            back *= 2
        found = occurrence_next(cron, zone=zone, after=max(last, until - back))
        if found is None or found > until:
            break
        last, until = found, until - back / 2
    return last


def _is_one(cron: Cron, zone: tzinfo, after: datetime, until: datetime) -> bool:
    found = occurrence_next(cron, zone=zone, after=after)
    return found is not None and found <= until


def _set_times(cron: Cron, zone: tzinfo, moment: datetime) -> Iterator[datetime]:
    for local in cron.matches(_local(moment, zone)):
        first = _moment(local, zone)
        if _local(first, zone) != local:
            first = _gap_end(local, zone)
        if first > moment:
            moment = first
            yield first


def _every_match(cron: Cron, zone: tzinfo, moment: datetime) -> Iterator[datetime]:
    while True:
        found = _match_after(cron, zone, moment)
        if found is None:
            return
        yield found
        moment = found


def _match_after(cron: Cron, zone: tzinfo, moment: datetime) -> datetime | None:
    """The next moment whose local time matches."""
    ahead = _ahead(cron, zone, _local(moment, zone), after=moment)
    if ahead is None or not _is_first_of_two(moment, zone):
        return ahead
    # The same local times come once more, before any later one.
    turn = _turn(moment, zone)
    again = _ahead(cron, zone, _local(turn, zone) - SECOND, after=turn - SECOND)
    return ahead if again is None else min(ahead, again)


def _ahead(cron: Cron, zone: tzinfo, local: datetime, *, after: datetime) -> datetime | None:
    """The first moment later than `after` of the first match later than `local` that the zone has."""
    for match in cron.matches(local):
        readings = [_moment(match, zone), _moment(match, zone, fold=1)]
        found = [moment for moment in readings if _local(moment, zone) == match]
        if not found:
            end = _local(_gap_end(match, zone), zone)
            return _ahead(cron, zone, end - SECOND, after=after)
        if later := [moment for moment in found if moment > after]:
            return later[0]
    return None


def _local(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _moment(local: datetime, zone: tzinfo, *, fold: int = 0) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _is_first_of_two(moment: datetime, zone: tzinfo) -> bool:
    local = _local(moment, zone)
    return _moment(local, zone) == moment != _moment(local, zone, fold=1)


def _gap_end(local: datetime, zone: tzinfo) -> datetime:
    """The first moment after the gap of the zone in which a local time lies."""
    # Read with the offset after the gap it is a moment before it, and the other way round.
    return _change(_moment(local, zone, fold=1), _moment(local, zone), zone)


def _turn(moment: datetime, zone: tzinfo) -> datetime:
    """The moment at which the local times around `moment` begin to repeat."""
    return _change(moment, _moment(_local(moment, zone), zone, fold=1), zone)


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first second of the offset that the zone has at `after`, and has not at `before`."""
    old = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
