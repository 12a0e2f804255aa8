"""Due schedules: a run for each due time, made once. The rows decide, whatever the number of workers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from common.clock import database_now
from common.errors import ValidationError
from common.locks import row_lock
from provisions.models import Provision, ProvisionKind
from schedules.cron import cron_parse
from schedules.errors import RunWaiting, ScheduleBroken
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.occurrences import occurrence_last, occurrence_next, zone_of
from schedules.selectors import open_runs

log = logging.getLogger(__name__)

BATCH = 500
CLOCK_AHEAD = timedelta(minutes=5)
"""A run of a time so far in the future was made by a clock that was ahead."""
SMEAR_SECONDS = 60
"""Over this time the starts of one due time are spread, so that not all servers of a host read at once."""
SMEAR_SHARE = 10
"""The spread is at most this share of the time until the next run."""


def schedules_due(*, now: datetime) -> QuerySet[Schedule]:
    """Every schedule that is due at `now`, the longest waiting one first."""
    return Schedule.objects.filter(next_due_at__lte=now).order_by("next_due_at", "id")


def runs_make(*, now: datetime) -> int:
    """Make the runs of every schedule that is due at `now`, and set its next due time. Return how many runs.

    A schedule that missed several due times gets one run, for the last of them.
    """
    made = 0
    while True:
        with transaction.atomic():
            # Rows that another worker has at hand are skipped, on PostgreSQL; SQLite has one writer at a time.
            rows = schedules_due(now=now).select_for_update(of=("self",), no_key=True, skip_locked=True)
            due = list(rows[:BATCH])
            made += _make(due, now=now)
        if len(due) < BATCH:
            return made


def schedules_recover(*, now: datetime | None = None) -> int:
    """Bring back schedules whose next time was set by a clock that was ahead, and has been set back; return how many.

    They would be silent until that time. Their runs of times that have not come are withdrawn.
    """
    now = now or database_now()
    ahead = ScheduleRun.objects.filter(due_at__gt=now + CLOCK_AHEAD)
    late = Schedule.objects.filter(Exists(ahead.filter(schedule=OuterRef("pk"))), next_due_at__gt=now + CLOCK_AHEAD)
    recovered = 0
    for schedule_id in list(late.values_list("id", flat=True)):
        with transaction.atomic():
            schedule = row_lock(late.filter(id=schedule_id))
            if schedule is None:
                continue
            ahead.filter(schedule=schedule, state=RunState.DUE).delete()
            try:
                following = occurrence_next(cron_parse(schedule.cron), zone=zone_of(schedule.time_zone), after=now)
            except ValidationError:
                continue
            if following is not None and schedule.next_due_at is not None and following < schedule.next_due_at:
                recovered += Schedule.objects.filter(id=schedule_id).update(next_due_at=following)
    return recovered


def _make(due: Sequence[Schedule], *, now: datetime) -> int:
    servers = _servers(due)
    waiting = open_runs([schedule.id for schedule in due])
    runs: list[ScheduleRun] = []
    for schedule in due:
        missed = schedule.next_due_at
        due_at = _advance(schedule, now=now)
        if due_at is None:
            continue
        since = missed if missed != due_at else None
        for server, host in servers.get(schedule.order_id, []):
            if schedule.provision_id in (None, server.id):
                runs.append(_run(schedule, server, host=host, due_at=due_at, due_since=since))
    for run in runs:
        if (run.schedule_id, run.provision_id) in waiting:
            run.state, run.error_code, run.finished_at = RunState.SKIPPED, RunWaiting.code, now
    ScheduleRun.objects.bulk_create(runs, ignore_conflicts=True)
    _store(due)
    return len(runs)


def _store(advanced: Sequence[Schedule]) -> None:
    """Store the next due times, an update for each, and what broke."""
    by_time: dict[datetime | None, list[UUID]] = {}
    for schedule in advanced:
        if schedule.error_code:
            schedule.save(update_fields=["next_due_at", "error_code"])
        else:
            by_time.setdefault(schedule.next_due_at, []).append(schedule.id)
    for next_due_at, ids in by_time.items():
        Schedule.objects.filter(id__in=ids).update(next_due_at=next_due_at)


def _advance(schedule: Schedule, *, now: datetime) -> datetime | None:
    """Set the next due time of a due schedule; return the due time of its run.

    A schedule whose rule cannot be read is set aside with the reason. It stops no other.
    """
    try:
        first, following = _times(schedule.cron, schedule.time_zone, schedule.next_due_at or now, now)
    except Exception as error:
        log.exception("schedule %s is broken", schedule.id)
        schedule.next_due_at = None
        schedule.error_code = ValidationError.code if isinstance(error, ValidationError) else ScheduleBroken.code
        return None
    schedule.next_due_at = following
    return first


@lru_cache(maxsize=1000)
def _times(rule: str, time_zone: str, first: datetime, now: datetime) -> tuple[datetime, datetime | None]:
    """The last due time up to `now`, given the first missed one, and the next; the schedules of a plan share them."""
    cron, zone = cron_parse(rule), zone_of(time_zone)
    following = occurrence_next(cron, zone=zone, after=first)
    if following is not None and following <= now:
        first = occurrence_last(cron, zone=zone, first=following, until=now)
        following = occurrence_next(cron, zone=zone, after=first)
    return first, following


def _servers(schedules: Iterable[Schedule]) -> dict[UUID, list[tuple[Provision, str]]]:
    """The servers of the orders of some schedules, each with the host of its sidecar."""
    orders = {schedule.order_id for schedule in schedules}
    rows = Provision.objects.filter(order__in=orders)
    addresses = dict(rows.filter(kind=ProvisionKind.SIDECAR).values_list("order", "address"))
    servers: dict[UUID, list[tuple[Provision, str]]] = {}
    for server in rows.filter(is_primary=True):
        host = addresses.get(server.order_id, "").rpartition(":")[0]
        servers.setdefault(server.order_id, []).append((server, host))
    return servers


def _run(
    schedule: Schedule, server: Provision, *, host: str, due_at: datetime, due_since: datetime | None
) -> ScheduleRun:
    return ScheduleRun(
        schedule=schedule,
        provision=server,
        due_at=due_at,
        due_since=due_since,
        starts_at=due_at + smear(host=host, server=server.id, until=schedule.next_due_at, due_at=due_at),
    )


def smear(*, host: str, server: UUID, until: datetime | None, due_at: datetime) -> timedelta:
    """The delay of a server's start after its due time: always the same for a server on a host, and even over both.

    until: the next due time, which a short interval may bring near.
    """
    longest = SMEAR_SECONDS if until is None else min(SMEAR_SECONDS, (until - due_at).total_seconds() / SMEAR_SHARE)
    digest = hashlib.blake2b(f"{host} {server}".encode(), digest_size=8).digest()
    return timedelta(seconds=int(longest * int.from_bytes(digest) / 2**64))
