"""Where the backups of a server stand: which ones its schedules and its plan keep, which ones go, when, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Q
from django.utils import timezone

from backups.models import Backup, BackupStatus, Depth
from backups.selectors import LISTED
from common.errors import ValidationError
from orders.models import Order, PlanReduction
from orders.retention import RetentionPolicy
from orders.selectors import PlanPromise, order_promise, promise_of, promise_until, reduction_pending
from provisions.models import Provision
from schedules.models import Schedule
from schedules.retention import Candidate, Decision, Reason, retention_decide, rotation_choose


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one backup stands. reasons: why it stays, or why it goes. goes: whether it does.

    goes_at: when; None for one that goes as soon as the next backup of a schedule was read back.
    """

    reasons: tuple[Reason, ...]
    goes: bool = False
    goes_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A listed backup as retention sees it. counts: towards the limit of the plan. read: whether its content was found
    whole, None before the first verification that read any of it.
    """

    candidate: Candidate
    provision_id: UUID
    schedule_id: UUID | None
    counts: bool
    read: bool | None


COLUMNS = (
    "id",
    "created_at",
    "status",
    "locked",
    "is_safety",
    "degraded",
    "collapsed",
    "proof",
    "schedule_id",
    "provision_id",
)


CLOCKS_DIFFER = timedelta(hours=1)
"""The times of backups come from several machines: one that is so much ahead was made by a clock that was wrong."""


def provision_rows(provision_id: UUID) -> list[Row]:
    """The listed backups of a server."""
    return [_row(found) for found in Backup.objects.filter(LISTED, provision=provision_id).values(*COLUMNS)]


def _row(found: Mapping[str, Any]) -> Row:
    usable = found["status"] in (BackupStatus.READY, BackupStatus.RESTORING)
    good = usable and not found["degraded"] and not found["collapsed"]
    read = _read(found["proof"])
    candidate = Candidate(
        id=found["id"],
        at=found["created_at"],
        good=good,
        proven=good and read is True,
        locked=found["locked"],
        safety=found["is_safety"],
        busy=found["status"] in (BackupStatus.CREATING, BackupStatus.RESTORING),
        ahead=found["created_at"] > timezone.now() + CLOCKS_DIFFER,
    )
    return Row(
        candidate=candidate,
        provision_id=found["provision_id"],
        schedule_id=found["schedule_id"],
        counts=not found["is_safety"] and found["status"] != BackupStatus.FAILED,
        read=read,
    )


def _read(proof: Mapping[str, Any] | None) -> bool | None:
    if proof is None or (proof.get("ok") and proof.get("depth") == Depth.STRUCTURE):
        return None
    return bool(proof.get("ok"))


def provision_decide(rows: Sequence[Row], *, schedules: Iterable[Schedule], promise: PlanPromise) -> Decision:
    """Decide about the backups of one server: each schedule about its own, then the limit about the oldest of all."""
    decision = Decision()
    for schedule in schedules:
        own = [row.candidate for row in rows if row.schedule_id == schedule.id]
        _add(decision, own, policy=schedule_policy(schedule, promise), zone=schedule_zone(schedule))
    for row in rows:
        if row.candidate.id not in decision.keeps and row.candidate.id not in decision.removes:
            decision.keeps[row.candidate.id] = (row.candidate.held or Reason.NO_RULE,)
    counted = [row for row in rows if row.counts and row.candidate.id in decision.keeps]
    # The backups of schedules make room first; one that a person asked for goes only when they do not suffice.
    by_hand = {row.candidate.id for row in counted if row.schedule_id is None}
    over = len(counted) - promise.backup_limit
    for going in rotation_choose([row.candidate for row in counted], over, last=by_hand):
        del decision.keeps[going]
        decision.removes[going] = Reason.OVER_LIMIT
    return decision


def _add(decision: Decision, candidates: Iterable[Candidate], *, policy: RetentionPolicy, zone: tzinfo) -> None:
    part = retention_decide([replace(found, at=found.at.astimezone(zone)) for found in candidates], policy)
    decision.keeps.update(part.keeps)
    decision.removes.update(part.removes)


def schedule_policy(schedule: Schedule, promise: PlanPromise) -> RetentionPolicy:
    """The policy of a schedule: its own, else that of the plan. A row that states no valid one removes nothing."""
    if schedule.of_plan or not schedule.retention:
        return promise.retention
    try:
        return RetentionPolicy.from_json(schedule.retention)
    except ValidationError:
        return RetentionPolicy()


def schedule_zone(schedule: Schedule) -> tzinfo:
    """The zone of a schedule; UTC where this machine does not know it."""
    try:
        return ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def retention_reasons(*, order: Order) -> dict[UUID, Standing]:
    """Where each listed backup of an order stands, which the caller was found to see. The queries are three."""
    by_server = _order_rows(order)
    schedules = list(Schedule.objects.filter(order=order)) if by_server else []
    reduction = reduction_pending(order)
    standings: dict[UUID, Standing] = {}
    for provision_id, rows in by_server.items():
        mine = [schedule for schedule in schedules if schedule.provision_id in (None, provision_id)]
        promise = promise_until(order, reduction)
        now = provision_decide(rows, schedules=mine, promise=promise)
        after = provision_decide([*rows, *_coming(mine, provision_id)], schedules=mine, promise=promise)
        standings |= {going: Standing(reasons=(reason,), goes=True) for going, reason in after.removes.items()}
        if reduction is not None:
            later = provision_decide(rows, schedules=mine, promise=promise_of(order.plan)).removes
            for going, reason in later.items():
                standings.setdefault(going, Standing(reasons=(reason,), goes=True, goes_at=reduction.takes_effect_at))
        for kept, reasons in now.keeps.items():
            standings.setdefault(kept, Standing(reasons=reasons))
    return standings


def reduction_removes(reduction: PlanReduction) -> dict[UUID, Reason]:
    """The backups that go when a reduction takes effect, as it looks now."""
    order, removes = reduction.order, dict[UUID, Reason]()
    promise = promise_of(order.plan)
    schedules = list(Schedule.objects.filter(order=order))
    for provision_id, rows in _order_rows(order).items():
        mine = [schedule for schedule in schedules if schedule.provision_id in (None, provision_id)]
        removes |= provision_decide(rows, schedules=mine, promise=promise).removes
    return removes


def _order_rows(order: Order) -> dict[UUID, list[Row]]:
    by_server: dict[UUID, list[Row]] = {}
    for found in Backup.objects.filter(LISTED, order=order).values(*COLUMNS):
        by_server.setdefault(found["provision_id"], []).append(_row(found))
    return by_server


def retention_preview(
    *, provision: Provision, schedule: Schedule, next_at: datetime | None = None, promise: PlanPromise | None = None
) -> Decision:
    """The decision about a server's backups once the next backup of a schedule is there.

    schedule: stored or not, with the policy and the zone that are to be tried. next_at: the time of that backup.
    """
    rows = provision_rows(provision.id)
    others = Schedule.objects.filter(Q(provision=provision) | Q(provision__isnull=True), order=provision.order_id)
    coming = _newcomer(schedule, provision.id, next_at or timezone.now())
    decision = provision_decide(
        [*rows, coming],
        schedules=[*others.exclude(id=schedule.id), schedule],
        promise=promise or order_promise(provision.order),
    )
    decision.keeps.pop(coming.candidate.id, None)
    return decision


def _coming(schedules: Iterable[Schedule], provision_id: UUID) -> list[Row]:
    """The backup that comes next, as if it were there already."""
    due = [(schedule.next_due_at, schedule) for schedule in schedules if schedule.next_due_at is not None]
    if not due:
        return []
    at, schedule = min(due, key=lambda found: (found[0], str(found[1].id)))
    return [_newcomer(schedule, provision_id, at)]


def _newcomer(schedule: Schedule, provision_id: UUID, at: datetime) -> Row:
    candidate = Candidate(id=uuid4(), at=at, proven=True)
    return Row(candidate=candidate, provision_id=provision_id, schedule_id=schedule.id, counts=True, read=True)
