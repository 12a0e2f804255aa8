"""Reads of schedules and triggers, scoped to the caller."""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from provisions.selectors import provision_get
from schedules.models import Trigger, TriggerKind
from schedules.models.trigger import LIMIT_BYTES_MIN


def triggers_of(*, user: User, order_id: UUID, provision_id: UUID) -> list[Trigger]:
    """One trigger of each kind of a server; those that were never set are disabled, and not saved.

    Raises OrderNotFound, ProvisionNotFound.
    """
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    known = {trigger.kind: trigger for trigger in Trigger.objects.filter(provision=provision)}
    return [known.get(kind) or trigger_unset(provision_id=provision.id, kind=kind) for kind in TriggerKind]


def trigger_unset(*, provision_id: UUID, kind: TriggerKind) -> Trigger:
    """A trigger that was never set: disabled, and not saved."""
    limit_bytes = LIMIT_BYTES_MIN if kind == TriggerKind.CHANGED_BYTES else None
    return Trigger(provision_id=provision_id, kind=kind, enabled=False, limit_bytes=limit_bytes)
