"""The doorbell: django-q2 carries an id to a worker and nothing else.

A bell may be lost, doubled or late; the row it names is the truth, and whoever answers claims the row first. Payloads
of django-q2 are pickles signed with SECRET_KEY, so nothing but ids ever goes in.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction
from django_q.brokers import get_broker
from django_q.tasks import async_task

log = logging.getLogger(__name__)


def bell_ring(task: str, *ids: UUID) -> None:
    """Ask a worker to run `task` (a dotted path) with these ids once the current transaction has committed.

    A queue that cannot be reached is no error here: the supervisor rings again for what nobody claimed.
    """

    def ring() -> None:
        bell_ring_now(task, *ids)

    # A function of its own: when it fails, Django logs its name, which a partial does not have.
    transaction.on_commit(ring, robust=True)


def bell_ring_now(task: str, *ids: UUID) -> None:
    """Put the bell on the queue at once."""
    named = [str(value) for value in ids]
    async_task(task, *named)
    if named:
        log.info("enqueued %s %s", task, " ".join(named))


def bells_waiting() -> int:
    """How many bells nobody has taken off the queue yet."""
    return int(get_broker().queue_size())
