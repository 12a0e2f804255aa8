"""Runs: their start through the service that people call, and their end with the operation."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.errors import LimitReached, OperationInProgress
from backups.models import Backup
from backups.rules import Rules, order_allows_backups
from backups.services.backups import backup_create
from backups.services.formats import format_offered
from backups.services.told import create_refused_told
from common.clock import database_now
from common.errors import ApplicationError
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.locks import row_lock
from common.states import compare_and_set
from operations.models import LIVE_STATES, Operation, OperationState
from orders.errors import OrderSuspended, PlanHasNoBackups
from orders.models import BackupFormat
from orders.patterns import patterns_of
from orders.rights import OrderRight, right_require
from orders.services.orders import order_lock
from provisions.errors import NoSidecar
from provisions.models import Provision
from schedules.errors import SchedulesNotOffered
from schedules.models import RunState, Schedule, ScheduleRun
from schedules.rules import backup_name, run_require
from schedules.selectors import servers_of
from schedules.services.due import runs_make, schedules_due
from schedules.services.rotation import rotation_makes_room

log = logging.getLogger(__name__)

STARTED_A_TICK = 1000
"""How many runs one tick starts; the next one goes on."""
KEPT = timedelta(days=100)
"""The time for which a run is kept after its end."""
EXPIRED_A_RUN = 10_000
SKIPPING = (OrderSuspended, PlanHasNoBackups, SchedulesNotOffered)
"""Reasons for which nothing is wrong with a run that makes no backup."""


def runs_wanted() -> bool:
    """Whether a schedule is due now, or a run could start."""
    now = database_now()
    return schedules_due(now=now).exists() or _startable(now).exists()


def schedules_tick(*, now: datetime | None = None) -> int:
    """Make the runs that are due, and start those whose time has come. Return how many started.

    A run whose order is busy stays due; the next tick tries it again.
    """
    moment = now or database_now()
    runs_make(now=moment)
    return sum(run_start(run_id, now=moment) for run_id in _next(moment))


def _next(now: datetime) -> list[UUID]:
    """The runs to start now: one of each order, and of all customers in turn; the thousands of one delay no other.

    An order has one backup at a time: its other runs would only be refused.
    """
    waiting = _startable(now).order_by("starts_at", "id")
    orders, places = set[UUID](), Counter[UUID]()
    ranked: list[tuple[int, UUID]] = []
    for run, order, customer in waiting.values_list("id", "schedule__order", "schedule__order__customer"):
        if order not in orders:
            orders.add(order)
            ranked.append((places[customer], run))
            places[customer] += 1
    ranked.sort(key=lambda found: found[0])
    return [run for _place, run in ranked[:STARTED_A_TICK]]


def _startable(now: datetime) -> QuerySet[ScheduleRun]:
    busy = Operation.objects.filter(state__in=LIVE_STATES, exclusive=True, order__isnull=False).values("order")
    return ScheduleRun.objects.filter(state=RunState.DUE, starts_at__lte=now).exclude(schedule__order__in=busy)


def run_start(run_id: UUID, *, now: datetime) -> bool:
    """Start the backup of a run that is due; return whether it began.

    The run is skipped when its order takes no new backups, and fails for any other reason but a busy order,
    and a limit at which an older backup is about to go.
    """
    try:
        with transaction.atomic():
            return _begin(run_id, now=now) is not None
    except OperationInProgress:
        return False
    except LimitReached as error:
        if rotation_makes_room(ScheduleRun.objects.values_list("provision", flat=True).get(id=run_id)):
            return False
        _failed(run_id, error, now=now)
    except SKIPPING as error:
        _skipped(run_id, error, now=now)
    except ApplicationError as error:
        _failed(run_id, error, now=now)
    except Exception:
        log.exception("run %s could not start", run_id)
        _failed(run_id, ApplicationError(), now=now)
    return False


def _begin(run_id: UUID, *, now: datetime, asked_by: User | None = None) -> Backup | None:
    due = ScheduleRun.objects.filter(id=run_id, state=RunState.DUE)
    order_id = due.values_list("schedule__order", flat=True).first()
    if order_id is None:
        return None
    # The order before the run, as everyone who begins a backup: two that took turns the other way would wait forever.
    order = order_lock(order_id)
    run = row_lock(due.select_related("schedule", "provision"))
    if run is None:
        return None
    schedule = run.schedule
    order_allows_backups(order)
    run_require(order=order, schedule=schedule)
    wanted = schedule.format
    backup = backup_create(
        user=None,
        order_id=schedule.order_id,
        provision_id=run.provision_id,
        name=backup_name(schedule, server=run.provision.name, at=run.due_at),
        # One that the plan no longer offers gives way to that of the plan.
        format_wanted=BackupFormat(wanted) if wanted and format_offered(order.plan, wanted) else None,
        exclude=patterns_of(schedule.exclude),
        tags=schedule.tags,
        only_if_changed=schedule.only_if_changed,
        schedule=schedule.id,
        rotates=True,
        asked_by=asked_by,
        idempotency=None,
    )
    compare_and_set(
        ScheduleRun.objects.filter(id=run.id, state=RunState.DUE),
        state=RunState.RUNNING,
        backup=backup,
        operation_id=backup.operation_id,
        started_at=now,
    )
    return backup


def schedule_run(
    *, user: User, schedule: Schedule, idempotency: IdempotencyKey | None = None, now: datetime | None = None
) -> list[ScheduleRun]:
    """Run a schedule now, also a paused one, for a person who waits; return its runs, each with its backup.

    Raises PermissionDenied, BackupTooSoon, SchedulesNotOffered, and what `backup_create` raises: nothing has begun
    then.
    """

    def make() -> list[ScheduleRun]:
        right_require(user, schedule.order, OrderRight.SCHEDULES)
        order_allows_backups(schedule.order)
        moment = (now or timezone.now()).replace(microsecond=0)
        with transaction.atomic():
            rules, servers = Rules(user=user, order=order_lock(schedule.order_id)), servers_of(schedule)
            for server in servers:
                rules.pause_require(server)
            runs = [_now(schedule, server, at=moment) for server in servers]
            for run in runs:
                _begin(run.id, now=moment, asked_by=user)
            idempotency_store(idempotency, object_id=schedule.id)
            audit_record(actor=user, action="schedule.run", order_id=schedule.order_id, object_id=schedule.id)
        return runs

    return idempotent(idempotency, find=lambda _schedule_id: [], make=make)


def _now(schedule: Schedule, server: Provision, *, at: datetime) -> ScheduleRun:
    """The run of this moment; one that waits already starts instead."""
    waiting = schedule.runs.filter(provision=server, state=RunState.DUE).first()
    if waiting is not None:
        return waiting
    last = schedule.runs.filter(provision=server, due_at__gte=at).order_by("-due_at").first()
    due_at = at if last is None else last.due_at + timedelta(seconds=1)
    return ScheduleRun.objects.create(schedule=schedule, provision=server, due_at=due_at, starts_at=due_at)


def _skipped(run_id: UUID, error: ApplicationError, *, now: datetime) -> bool:
    due = ScheduleRun.objects.filter(id=run_id, state=RunState.DUE)
    return compare_and_set(due, state=RunState.SKIPPED, error_code=error.code, finished_at=now)


def _failed(run_id: UUID, error: ApplicationError, *, now: datetime) -> None:
    """End a run that could not begin, and tell people of it as of any other failure."""
    run = ScheduleRun.objects.select_related("schedule__order", "provision").filter(id=run_id).first()
    if run is None:
        return
    schedule, server = run.schedule, run.provision
    if schedule.of_plan and isinstance(error, NoSidecar):
        _skipped(run_id, error, now=now)  # nobody asked for the schedule, and the server cannot be backed up at all
        return
    with transaction.atomic():
        due = ScheduleRun.objects.filter(id=run_id, state=RunState.DUE)
        if compare_and_set(due, state=RunState.FAILED, error_code=error.code, finished_at=now):
            create_refused_told(
                order=schedule.order,
                provision=server,
                schedule_id=schedule.id,
                name=schedule.name,
                error=error,
            )


def run_ended(operation: Operation) -> None:
    """Write the end of a run, in the transaction that ends its operation."""
    if operation.kind != kinds.CREATE.name:
        return
    running = ScheduleRun.objects.filter(operation_id=operation.id, state=RunState.RUNNING)
    if operation.state == OperationState.SUCCEEDED:
        state = RunState.UNCHANGED if operation.result.get("unchanged") else RunState.SUCCEEDED
    else:
        state = RunState.FAILED
    compare_and_set(running, state=state, error_code=operation.error_code, finished_at=operation.finished_at)


def runs_expire(*, now: datetime | None = None) -> int:
    """Delete runs that ended long ago; return how many."""
    old = ScheduleRun.objects.filter(finished_at__lt=(now or timezone.now()) - KEPT).order_by("finished_at")
    ids = list(old.values_list("id", flat=True)[:EXPIRED_A_RUN])
    return ScheduleRun.objects.filter(id__in=ids).delete()[0]
