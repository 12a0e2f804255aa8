"""Health checks: the process is alive, pages can be served, all of the product works."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from http import HTTPStatus

from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Min
from django.db.models.functions import Coalesce
from django.http import HttpRequest, JsonResponse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from common.clock import database_now
from operations.models import Operation, OperationState
from operations.selectors import workers_problem
from schedules.protection.fleet import SCHEDULES_LATE, schedules_due_since

BACKLOG_OLD = timedelta(minutes=15)
"""A claimable operation that waits longer than this shows a backlog."""


@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  # Django's signature
    """The process answers."""
    return _answer([])


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  # Django's signature
    """Pages can be served: the database answers and has every migration."""
    return _answer(list(_not_ready()))


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  # Django's signature
    """All of it works: the checks of readyz, a live supervisor with living workers, a tick in time, and no backlog."""
    return _answer(list(_not_ready()) or list(_not_healthy()))


def _answer(reasons: list[str]) -> JsonResponse:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    return JsonResponse({"status": "failing" if reasons else "ok", "reasons": reasons}, status=status)


def _not_ready() -> Iterator[str]:
    try:
        applied = set(MigrationRecorder(connection).applied_migrations())
    except Error:
        yield "The database does not answer."
        return
    if missing := _migrations_known() - applied:
        yield f"{len(missing)} migrations are not applied."


@cache
def _migrations_known() -> frozenset[tuple[str, str]]:
    # The files cannot change under a running process; reading them takes longer than all the rest.
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


def _not_healthy() -> Iterator[str]:
    now = database_now()
    problem = workers_problem()
    if problem is not None:
        with translation.override("en"):
            yield str(problem.label)
    due = schedules_due_since()
    if due is not None and now - due > SCHEDULES_LATE:
        yield f"The oldest due schedule has waited for {(now - due) // timedelta(minutes=1)} minutes."
    waiting = _waiting_since()
    if waiting is not None and now - waiting > BACKLOG_OLD:
        yield f"The oldest queued operation has waited for {(now - waiting) // timedelta(minutes=1)} minutes."


def _waiting_since() -> datetime | None:
    claimable = Coalesce("not_before", "created_at")
    queued = Operation.objects.filter(state=OperationState.QUEUED)
    since: datetime | None = queued.aggregate(since=Min(claimable))["since"]
    return since
