"""The prune of a repository: a plan in numbers first, then its deletions."""

from __future__ import annotations

import logging
from typing import Any

from accounts.services.audit import audit_record
from backups.services.stored import snapshots_expected
from backups.services.upkeep import operation_repository
from operations.models import Operation
from operations.services.operations import operation_result
from operations.work.lease import FenceLost, Lease, operation_succeeds
from operations.work.retry import Postponed
from repository.chunked.maintenance.plan import PrunePlan
from repository.chunked.maintenance.prune import PruneResult, prune_execute, prune_plan
from repository.chunked.repository import Repository as OpenRepository
from repository.errors import Overtaken, PruneRefused, PruneRunning
from vault.errors import PruneRefusedError
from vault.models import Repository
from vault.services.repositories import repository_errors, repository_find

log = logging.getLogger(__name__)

TRIES = 2
"""A backup that is deleted while its prune begins makes the prune's expectation wrong: it begins again."""
BUSY_SECONDS = 60.0


def prune_run(operation: Operation, lease: Lease) -> None:
    """Prune the operation's repository; with `dry_run` in its params, plan only.

    Raises PruneRefusedError when that is not safe; nothing was deleted then.
    """
    row = operation_repository(operation)
    lease.phase("planning")
    repository = repository_find(row, checkpoint=lease.checkpoint)
    result = _prune(operation, lease, row, repository) if repository is not None else {}
    with operation_succeeds(operation):
        audit_record(actor=operation.requested_by, action="prune.succeeded", object_id=row.id, **result)


def _prune(operation: Operation, lease: Lease, row: Repository, repository: OpenRepository) -> dict[str, Any]:
    """Plan, show the plan, and carry it out; the numbers of what was done."""
    for attempt in range(TRIES):
        try:
            return _once(operation, lease, row, repository)
        except PruneRefused as error:
            log.warning("prune of repository %s refused: %s", row.id, error)
            if attempt + 1 == TRIES:
                raise PruneRefusedError(reason=str(error)) from error
        except (PruneRunning, Overtaken) as error:
            raise Postponed(seconds=BUSY_SECONDS, counts=True) from error
    raise AssertionError("unreachable")


def _once(operation: Operation, lease: Lease, row: Repository, repository: OpenRepository) -> dict[str, Any]:
    expected = snapshots_expected(row)
    with repository_errors():
        plan = prune_plan(repository, expected=expected, allow_empty=not expected, checkpoint=lease.checkpoint)
        total = plan.freed_now + plan.copied
        _show(operation, plan=plan_numbers(plan), refusals=plan.refusals, waiting=plan.waiting)
        if operation.params.get("dry_run"):
            return {}
        lease.progress(bytes_done=0, bytes_total=total, phase="pruning")
        # The database allows one prune of a repository at a time: marks of others are those of lost workers.
        done = prune_execute(
            repository,
            plan,
            sole=True,
            progress=lambda moved: lease.progress(bytes_done=min(moved, total), bytes_total=total, phase="pruning"),
            checkpoint=lease.checkpoint,
        )
    numbers = done_numbers(done)
    _show(operation, done=numbers, notes=done.notes)
    return numbers


def _show(operation: Operation, **result: object) -> None:
    if not operation_result(operation=operation, **result):
        raise FenceLost


def plan_numbers(plan: PrunePlan) -> dict[str, int]:
    """A plan in numbers: packs, and bytes in storage."""
    return {
        "kept": plan.kept,
        "deleted": len(plan.delete),
        "condemned": len(plan.dead),
        "repacked": len(plan.repack),
        "rescued": len(plan.rescue),
        "unreadable": len(plan.unreadable),
        "chunks_missing": plan.missing,
        "freed_now_bytes": plan.freed_now,
        "freed_later_bytes": plan.freed_later,
        "copied_bytes": plan.copied,
    }


def done_numbers(done: PruneResult) -> dict[str, int]:
    """A prune in numbers: packs, and bytes in storage."""
    return {
        "deleted": done.deleted,
        "condemned": done.condemned,
        "rescued": done.rescued,
        "partials": done.partials,
        "damaged": len(done.damaged),
        "freed_bytes": done.freed,
        "copied_bytes": done.copied,
    }
