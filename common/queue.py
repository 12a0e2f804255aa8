"""The task queue: django-q2 carries ids to a worker and nothing else.

A task may be lost, duplicated or late. The row with its id is the truth, and a worker claims that row first. Payloads
of django-q2 are pickles signed with SECRET_KEY, so only ids are enqueued.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction
from django_q.brokers import get_broker
from django_q.tasks import async_task

log = logging.getLogger(__name__)


def task_enqueue(task: str, *ids: UUID) -> None:
    """Enqueue `task` (a dotted path) with these ids once the current transaction has committed.

    An unreachable queue is no error here: the supervisor enqueues unclaimed rows again.
    """

    def ring() -> None:
        task_enqueue_now(task, *ids)

    # A function of its own: when it fails, Django logs its name, which a partial does not have.
    transaction.on_commit(ring, robust=True)


def task_enqueue_now(task: str, *ids: UUID) -> None:
    """Enqueue a task at once."""
    named = [str(value) for value in ids]
    async_task(task, *named)
    if named:
        log.info("enqueued %s %s", task, " ".join(named))


def tasks_waiting() -> int:
    """The number of tasks on the queue."""
    return int(get_broker().queue_size())
