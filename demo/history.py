"""The past of the demo's first order: a schedule, its runs of some weeks, and a notice about one that failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from backups import kinds
from notices.kinds import EventKind
from notices.models import Event
from notices.services.events import StoredError, event_record
from operations.models import Operation, OperationState
from orders.models import Order
from provisions.models import Provision
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.rules import Settings
from schedules.services.schedules import due_next, schedule_create

NIGHTLY = Settings(
    name="Each night",
    cron="0 4 * * *",
    time_zone="Europe/Berlin",
    retention={"last": 3, "daily": 7},
    only_if_changed=True,
)
PAST = timedelta(days=24)
TOOK = timedelta(seconds=40)
STORAGE_FULL = "storage_full"
FAILED, WARNED, UNCHANGED = 4, 9, (2, 12, 13)
"""Nights by their number, counted from the first one."""
AWAY = range(16, 19)
"""Nights in which the portal was switched off; the run of the next one stands for them as well."""


def history_seed(order: Order) -> None:
    """Make all of it, unless an earlier start of the demo has."""
    if Schedule.objects.filter(order=order).exists():
        return
    server = Provision.objects.get(order=order, is_primary=True)
    now = timezone.now()
    with transaction.atomic():
        schedule = schedule_create(
            user=order.customer.owner, order_id=order.id, provision_id=server.id, settings=NIGHTLY
        )
        away: datetime | None = None
        for night, due_at in enumerate(_times(schedule, since=now - PAST, until=now - timedelta(hours=1))):
            if night in AWAY:
                away = away or due_at
                continue
            _run(schedule, server, night=night, due_at=due_at, due_since=away)
            away = None


def _times(schedule: Schedule, *, since: datetime, until: datetime) -> Iterator[datetime]:
    at = due_next(schedule, after=since)
    while at is not None and at < until:
        yield at
        at = due_next(schedule, after=at)


def _run(schedule: Schedule, server: Provision, *, night: int, due_at: datetime, due_since: datetime | None) -> None:
    """One run with its end. Retention has removed its backup since."""
    started_at, finished_at = due_at + timedelta(seconds=20), due_at + TOOK
    run = ScheduleRun(
        schedule=schedule, provision=server, due_at=due_at, due_since=due_since, starts_at=started_at,
        started_at=started_at, finished_at=finished_at, state=RunState.SUCCEEDED,
    )  # fmt: skip
    if night == FAILED:
        run.state, run.error_code, run.started_at = RunState.FAILED, STORAGE_FULL, None
        _told(schedule, server, at=finished_at)
    else:
        run.operation_id = _operation(schedule.order, night=night, started_at=started_at, finished_at=finished_at)
        run.state = RunState.UNCHANGED if night in UNCHANGED else RunState.SUCCEEDED
    run.save()


def _operation(order: Order, *, night: int, started_at: datetime, finished_at: datetime) -> UUID:
    result: dict[str, object] = {"unchanged": True} if night in UNCHANGED else {}
    operation = Operation.objects.create(
        order=order, kind=kinds.CREATE.name, exclusive=True, state=OperationState.SUCCEEDED, fence=1, attempts=1,
        started_at=started_at, finished_at=finished_at, result=result | ({"warnings": 2} if night == WARNED else {}),
    )  # fmt: skip
    Operation.objects.filter(id=operation.id).update(created_at=started_at)
    return operation.id


def _told(schedule: Schedule, server: Provision, *, at: datetime) -> None:
    event = event_record(
        kind=EventKind.BACKUP_FAILED,
        order=schedule.order,
        subject_id=server.id,
        provision_id=server.id,
        schedule_id=schedule.id,
        params={"name": schedule.name, "server": server.name},
        error=StoredError(STORAGE_FULL, {}),
    )
    Event.objects.filter(id=event.id).update(created_at=at)
