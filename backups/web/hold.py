"""The operation that holds an order and that no row shows: its start, requester, end, and a way to end it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backups import kinds
from backups.rules import Rules, refusal
from operations.kinds import kind_of
from operations.models import Operation


@dataclass(frozen=True, slots=True)
class Hold:
    """An operation that blocks others. until: when it ends by itself; None for one with a worker."""

    operation_id: UUID
    title: str
    since: datetime
    who: str
    until: datetime | None
    reprovision: bool
    may_end: bool


def hold_of(rules: Rules, *, shown: Collection[UUID | None]) -> Hold | None:
    """The operation that holds the order, unless it is shown with its backup."""
    operation = rules.active
    if operation is None or operation.id in shown:
        return None
    return Hold(
        operation_id=operation.id,
        title=str(kind_of(operation).words.running),
        since=operation.created_at,
        who=_who(operation),
        until=operation.expires_at,
        reprovision=kind_of(operation) is kinds.REPROVISION,
        may_end=operation.cancel_requested_at is None and refusal(lambda: rules.cancel_require(operation)) is None,
    )


def _who(operation: Operation) -> str:
    return operation.requested_by.get_full_name() if operation.requested_by else ""
