"""What django-q2 calls: ids in, one service call each."""

from __future__ import annotations

from uuid import UUID

from backups.services import upkeep
from backups.work import run


def operation_answer(operation_id: str) -> None:
    """Answer the bell of one operation."""
    run.operation_answer(UUID(operation_id))


def storage_sweep() -> None:
    """Upkeep: what is due is expired, and what nothing needs leaves the storage."""
    upkeep.upkeep_run()
