"""Chores: recurring work with a schedule per chore. One table, one tick; each run is recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from common.states import compare_and_set
from operations.models import ChoreRun

log = logging.getLogger(__name__)

TASK = "operations.tasks.chore_answer"
REQUESTED = timedelta(minutes=5)
"""A run that no worker has started after this time is enqueued again."""
LONGEST = timedelta(hours=1)
"""The longest run of a chore that says no other time."""
KEPT = timedelta(days=7)
"""The time for which a run is kept for staff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """One chore.

    run: returns a count of its results, or None. wanted: called each minute; returns True when there is work before
    `every` has passed. None for a chore without such work. longest: a run that has not ended after this time has lost
    its worker, and a new one may start.
    """

    name: str
    every: timedelta
    run: Callable[[], object]
    wanted: Callable[[], bool] | None = None
    longest: timedelta = LONGEST


_CHORES: dict[str, Chore] = {}


def chores_register(chores: Iterable[Chore]) -> None:
    """Put chores into the table, each name once."""
    for chore in chores:
        if chore.name in _CHORES:
            raise RuntimeError(f"There are two chores named {chore.name}.")
        _CHORES[chore.name] = chore


def chores_request() -> list[UUID]:
    """Record a run of every chore that is due and not running; return the runs to enqueue."""
    requested = (_request(chore) for chore in _CHORES.values())
    return [run for run in requested if run is not None]


def chore_answer(run_id: UUID) -> None:
    """Execute a requested run, unless another worker has begun it."""
    requested = ChoreRun.objects.filter(id=run_id, started_at__isnull=True, finished_at__isnull=True)
    if compare_and_set(requested, started_at=timezone.now()):
        _do(ChoreRun.objects.get(id=run_id))


def chores_run() -> None:
    """Run every chore now, one after the other. A chore that fails, or runs elsewhere, does not stop the others."""
    for chore in _CHORES.values():
        run = _begin(chore, started=True)
        if run is not None:
            _do(run)


def chore_runs_expire() -> int:
    """Delete runs that ended long ago; return how many."""
    old = ChoreRun.objects.filter(finished_at__lt=timezone.now() - KEPT)
    return old.delete()[0]


def _request(chore: Chore) -> UUID | None:
    runs = ChoreRun.objects.filter(chore=chore.name)
    # The unfinished run, not the newest one by time: the clock may have been set back since an earlier run.
    going_on = runs.filter(finished_at__isnull=True).first()
    if going_on is not None:
        return _again(going_on, longest=chore.longest)
    # One in the future was requested before the clock was set back, and says nothing.
    newest = runs.filter(requested_at__lte=timezone.now()).order_by("-requested_at").first()
    if newest is None or _is_due(chore, newest):
        run = _begin(chore, started=False)
        return run.id if run is not None else None
    return None


def _is_due(chore: Chore, newest: ChoreRun) -> bool:
    since = timezone.now() - newest.requested_at
    return since >= chore.every or (chore.wanted is not None and chore.wanted())


def _again(run: ChoreRun, *, longest: timedelta) -> UUID | None:
    """Enqueue a current run again when its task was lost; end it when its worker was lost."""
    since = abs(timezone.now() - (run.started_at or run.requested_at))
    if run.started_at is None:
        return run.id if since >= REQUESTED else None
    if since >= longest:
        _finish(run, error="worker lost")
    return None


def _begin(chore: Chore, *, started: bool) -> ChoreRun | None:
    """A new run of a chore, or None while one goes on: the database allows one at a time."""
    now = timezone.now()
    try:
        with transaction.atomic():
            return ChoreRun.objects.create(chore=chore.name, requested_at=now, started_at=now if started else None)
    except IntegrityError:
        return None


def _do(run: ChoreRun) -> None:
    try:
        done = _CHORES[run.chore].run()
    except Exception as error:
        log.exception("chore %s failed", run.chore)
        _finish(run, error=type(error).__name__)
    else:
        _finish(run, done=done if isinstance(done, int) else None)


def _finish(run: ChoreRun, *, done: int | None = None, error: str = "") -> None:
    going_on = ChoreRun.objects.filter(id=run.id, finished_at__isnull=True)
    compare_and_set(going_on, finished_at=timezone.now(), done=done, error=error)
