"""Telling that a target does not answer."""

from __future__ import annotations

from notices.kinds import EventKind
from notices.services.events import event_record_once
from orders.models import Order
from vault.models import StorageTarget


def target_unreachable(target: StorageTarget, *, order: Order | None = None) -> None:
    """Record that a target does not answer, at most once an hour for staff, and for the order that needed it."""
    for told in (None, order) if order else (None,):
        event_record_once(
            kind=EventKind.TARGET_UNREACHABLE, subject_id=target.id, order=told, params={"name": target.name}
        )
