"""Recording events, in the transaction that causes them. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from common.errors import Params
from common.names import name_isolated
from notices.kinds import EventKind
from notices.models import Channel, Delivery, Endpoint, EndpointKind, Event, Signal
from notices.services.waking import dispatch_wake
from orders.models import Order
from orders.services.suspension import SuspensionStage, SuspensionStep

NOTHING: Mapping[str, str | int] = {}
ROW_COUNTED = 100
REPEATED = timedelta(hours=1)
"""A state that goes on, such as a storage that does not answer, is told once in this time."""


@dataclass(frozen=True, slots=True)
class StoredError:
    """A code of the tree of errors with its params, as an operation stores them."""

    code: str
    params: Params


def event_record(
    *,
    kind: EventKind,
    order: Order | None = None,
    subject_id: UUID | None = None,
    provision_id: UUID | None = None,
    schedule_id: UUID | None = None,
    params: Mapping[str, str | int] = NOTHING,
    error: StoredError | None = None,
) -> Event:
    """Record an event for everybody who wants to be told. Call it in the transaction that causes it.

    order: None for an event of the portal, which staff are told of. subject_id: the backup, provision or target.
    schedule_id: the schedule whose run it was. params: what the sentence of the kind needs, see `notices.kinds`; a
    name that ends in `_bytes` is shown as a size, one in `_at` as a time. error: why something failed.
    """
    stored: dict[str, Any] = dict(params)
    if error and error.params:
        stored["error"] = error.params
    return Event.objects.create(
        kind=kind,
        order=order,
        subject_id=subject_id,
        provision_id=provision_id,
        schedule_id=schedule_id,
        code=error.code if error else "",
        params=stored,
    )


def event_record_once(
    *,
    kind: EventKind,
    subject_id: UUID,
    order: Order | None = None,
    within: timedelta = REPEATED,
    params: Mapping[str, str | int] = NOTHING,
) -> Event | None:
    """Record an event unless one of this kind, subject and order was recorded within that time."""
    since = timezone.now() - within
    if Event.objects.filter(kind=kind, subject_id=subject_id, order=order, created_at__gt=since).exists():
        return None
    return event_record(kind=kind, order=order, subject_id=subject_id, params=params)


def failures_in_a_row(*, order: Order, provision_id: UUID) -> int:
    """How many of the newest backups of a provision failed, as its events tell; counted up to `ROW_COUNTED`."""
    ends = [EventKind.BACKUP_READY, EventKind.BACKUP_FAILED]
    told = Event.objects.filter(order=order, provision_id=provision_id, kind__in=ends).order_by("-created_at")
    kinds = list(told.values_list("kind", flat=True)[:ROW_COUNTED])
    return next((count for count, kind in enumerate(kinds) if kind == EventKind.BACKUP_READY), len(kinds))


def suspension_record(step: SuspensionStep) -> None:
    """Record that an order was suspended, and each warning before its backups are removed."""
    if step.stage not in (SuspensionStage.SUSPENDED, SuspensionStage.WARNED) or step.removal_at is None:
        return
    params: dict[str, str | int] = {"removal_at": step.removal_at.isoformat()}
    if step.days is not None:
        params |= {"days": step.days, "backups": step.backups}
    if step.locked:
        params["locked"] = ", ".join(map(name_isolated, step.locked))
    event_record(kind=EventKind.ORDER_SUSPENDED, order=step.order, subject_id=step.order.id, params=params)


def heartbeat_signal(*, order: Order, signal: Signal, schedule_id: UUID | None = None) -> int:
    """Send a signal to the heartbeats of an order, and of the schedule whose run it is; return their number.

    They are sent once the transaction commits. A newer signal replaces one that still waits.
    """
    found = Endpoint.objects.filter(order=order, kind=EndpointKind.HEARTBEAT, active=True)
    ids = [pk for pk, of in found.values_list("id", "schedule_id") if of in (None, schedule_id)]
    now = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(channel=Channel.HEARTBEAT, endpoint_id=pk, signal=signal, not_before=now) for pk in ids
    )
    if ids:
        dispatch_wake()
    return len(ids)
