"""Starts the upkeep of repositories: once in a target's window, or when an operator asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.errors import OperationInProgress
from backups.models import Depth
from backups.services.stored import repositories_unverified
from common.clock import database_now
from operations.kinds import OperationKind
from operations.models import LIVE_STATES, Operation, OperationScope
from operations.services.operations import repository_work_start
from operations.turns import Place
from vault.models import Repository

DAY = timedelta(days=1)
SHARES = 28
"""So many daily shares read the data of a repository: all within 30 days, even if two windows are missed."""


def upkeep_due() -> int:
    """Start the prune and the verification of each repository whose window has begun, and samples of new snapshots.

    Returns how many were started.

    Prune and verification are started once in a window, whatever their end: a lost worker's operation is resumed, and
    one that failed is tried in the next window. A verification waits for the prune of its window.
    """
    now, fresh = database_now(), repositories_unverified()
    done = _windows_done(now)
    started = 0
    for repository in Repository.objects.select_related("target").defer("target__secrets"):
        started += _due(repository, now, done) or (
            repository.id in fresh and _start(repository, kinds.VERIFY, depth=Depth.SAMPLE.value)
        )
    return started


def window_of(hour: int, now: datetime) -> datetime:
    """The beginning of the newest window: the last time that it was this hour, in UTC."""
    begins = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return begins if begins <= now else begins - DAY


def _windows_done(now: datetime) -> set[tuple[UUID | None, str, str]]:
    """Repository, kind and window of all upkeep that was started in the newest windows."""
    rows = Operation.objects.filter(scope=OperationScope.REPOSITORY, created_at__gte=now - 2 * DAY)
    return set(rows.filter(params__has_key="window").values_list("scope_id", "kind", "params__window"))


def _due(repository: Repository, now: datetime, done: set[tuple[UUID | None, str, str]]) -> bool:
    window = window_of(repository.target.upkeep_hour, now)
    if repository.created_at >= window:
        return False
    named = window.isoformat()
    if (repository.id, kinds.PRUNE.name, named) not in done:
        return _start(repository, kinds.PRUNE, window=named)
    if (repository.id, kinds.VERIFY.name, named) not in done and _live(repository.id, kinds.PRUNE) is None:
        return _start(repository, kinds.VERIFY, window=named, depth=Depth.SHARE.value)
    return False


def _start(repository: Repository, kind: OperationKind, **params: str) -> bool:
    try:
        with transaction.atomic():
            _enqueue(repository, kind, None, **params)
    except IntegrityError:
        # Staff started one just now; this one begins when that has ended.
        return False
    return True


def _enqueue(repository: Repository, kind: OperationKind, user: User | None, **params: Any) -> Operation:
    return repository_work_start(
        repository_id=repository.id,
        customer_id=repository.customer_id,
        kind=kind,
        requested_by=user,
        place=Place(target_id=repository.target_id),
        **params,
    )


def _live(repository_id: UUID, kind: OperationKind) -> Operation | None:
    live = Operation.objects.filter(scope=OperationScope.REPOSITORY, scope_id=repository_id, state__in=LIVE_STATES)
    return live.filter(kind=kind.name).first()


def repository_prune(*, repository: Repository, user: User | None, dry_run: bool = False) -> Operation:
    """Start a prune; a dry run only plans. Raises OperationInProgress."""
    return _asked(repository, kinds.PRUNE, user, dry_run=dry_run)


def repository_verify(*, repository: Repository, user: User | None, depth: Depth) -> Operation:
    """Start a verification of a whole repository. Raises OperationInProgress."""
    return _asked(repository, kinds.VERIFY, user, depth=depth.value)


def _asked(repository: Repository, kind: OperationKind, user: User | None, **params: Any) -> Operation:
    try:
        with transaction.atomic():
            operation = _enqueue(repository, kind, user, **params)
            audit_record(
                actor=user, action=f"repository.{kind.name}", object_id=repository.id, operation=str(operation.id),
                **params,
            )  # fmt: skip
    except IntegrityError:
        live = _live(repository.id, kind)
        if live is None:
            raise
        raise OperationInProgress(operation=str(live.id), repository=str(repository.id)) from None
    return operation


def repositories_on(target_id: UUID) -> Iterator[Repository]:
    """The repositories on a target, the oldest first."""
    yield from Repository.objects.filter(target=target_id).order_by("created_at", "id")


def operation_repository(operation: Operation) -> Repository:
    """The repository of an operation. Raises LookupError for an operation on anything else."""
    if operation.scope != OperationScope.REPOSITORY or operation.scope_id is None:
        raise LookupError(f"Operation {operation.id} is not a repository's.")
    return Repository.objects.select_related("customer", "target").get(id=operation.scope_id)
