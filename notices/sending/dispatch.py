"""The one run that routes events and sends messages, in one worker at a time, a bounded time each."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from common.states import compare_and_set
from notices.errors import GivenUp
from notices.models import Delivery, DeliveryState, Dispatch, Event
from notices.sending.lanes import Sending
from notices.services.routing import events_route

RUN_SECONDS = 40.0
"""After this time a run begins nothing more; the next tick goes on, so that the worker is free for backups between."""
LEASE = timedelta(minutes=3)
CLAIM_LOST = timedelta(minutes=5)
"""A claimed message whose worker has not reported for this long is sent again."""
WAITED_MOST = timedelta(hours=26)
"""A message that could not be tried for this long, because its receiver is held, is given up."""
EVENTS_KEPT, DELIVERIES_KEPT = timedelta(days=90), timedelta(days=30)
DELETED_A_RUN = 20_000


def notices_dispatch() -> int:
    """Route new events and send what is due; return how many messages were tried. 0 while another worker does so."""
    until = time.monotonic() + RUN_SECONDS
    sending, tried = Sending(until=until), 0
    # Work that came while the lease was being given back is found by the second look.
    while time.monotonic() < until and _lease_take():
        try:
            claims_recover()
            routed, sent = events_route(), sending.run()
        finally:
            _lease_give()
        tried += sent
        if not routed and not sent:
            break
    return tried


def notices_due() -> bool:
    """Whether there is anything to route or to send."""
    if Event.objects.filter(routed_at__isnull=True).exists():
        return True
    return Delivery.objects.filter(state=DeliveryState.QUEUED, not_before__lte=timezone.now()).exists()


def claims_recover() -> int:
    """Queue the messages of workers that died again, and end those that waited too long; return how many of both."""
    now = timezone.now()
    lost = Delivery.objects.filter(state=DeliveryState.SENDING, claimed_at__lt=now - CLAIM_LOST)
    recovered = lost.update(state=DeliveryState.QUEUED)
    # Later than any pause is: they were queued before the clock was set back.
    recovered += Delivery.objects.filter(state=DeliveryState.QUEUED, not_before__gt=now + WAITED_MOST).update(
        not_before=now
    )
    old = Q(created_at__lt=now - WAITED_MOST, not_before__lt=now - timedelta(hours=1))
    ended = Delivery.objects.filter(old, state=DeliveryState.QUEUED)
    return recovered + ended.update(state=DeliveryState.FAILED, finished_at=now, error=GivenUp.code)


def notices_expire() -> int:
    """Delete old events with their notices, and old messages; return how many. A run deletes a bounded number."""
    now = timezone.now()
    messages = Delivery.objects.filter(created_at__lt=now - DELIVERIES_KEPT).exclude(
        state__in=[DeliveryState.QUEUED, DeliveryState.SENDING]
    )
    ids = list(messages.order_by("created_at").values_list("id", flat=True)[:DELETED_A_RUN])
    done = _delete(Delivery, ids)
    events = Event.objects.filter(created_at__lt=now - EVENTS_KEPT)
    return done + _delete(Event, list(events.order_by("created_at").values_list("id", flat=True)[:DELETED_A_RUN]))


def _delete(model: type[Delivery | Event], ids: list[UUID]) -> int:
    for begin in range(0, len(ids), 500):
        model.objects.filter(id__in=ids[begin : begin + 500]).delete()
    return len(ids)


def _lease_take() -> bool:
    now = timezone.now()
    Dispatch.objects.get_or_create(id=1, defaults={"until": now})
    # One that ends later than any lease can was taken before the clock was set back.
    free = Q(until__lte=now) | Q(until__gt=now + LEASE)
    return compare_and_set(Dispatch.objects.filter(free, id=1), until=now + LEASE)


def _lease_give() -> None:
    Dispatch.objects.filter(id=1).update(until=timezone.now())
