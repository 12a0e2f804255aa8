"""The tasks that django-q2 calls: ids in, one service call each."""

from __future__ import annotations

from uuid import UUID

from operations.services import chores
from operations.work import run


def operation_answer(_enqueued: str) -> None:
    """Run the operation whose turn it is. The task carries the id of the one that was enqueued with it."""
    run.next_answer()


def chore_answer(run_id: str) -> None:
    """Run one run of a chore."""
    chores.chore_answer(UUID(run_id))
