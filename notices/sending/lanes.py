"""Sending due messages side by side, so that a receiver that stalls delays nobody but itself.

Threads do nothing but network calls; claims and results are written by the thread of the run. There is at most one
message at a time on its way to each receiver. Receivers that failed last share a small lane of their own, and each
failure holds its receiver for a time that grows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from common.errors import KeyUnavailable
from common.states import compare_and_set
from notices.errors import DeliveryError, ReceiverGone, Superseded
from notices.models import Channel, Delivery, DeliveryState, Endpoint, Event, Signal
from notices.sending.mail import mail_compose, mail_send
from notices.sending.requests import Answer, request_send
from notices.sending.staff import staff_send
from notices.sending.texts import discord_request, heartbeat_request, webhook_request

log = logging.getLogger(__name__)

HEALTHY, FAILING, MAIL, STAFF = "healthy", "failing", "mail", "staff"
LANES = {HEALTHY: 6, FAILING: 2, MAIL: 1, STAFF: 1}
"""How many messages of each lane are on their way at the same time."""
DELAYS = (30, 120, 600, 3600, 3 * 3600, 6 * 3600, 13 * 3600)
"""Seconds after each failed attempt; together about a day."""
HELD_LONGEST = timedelta(hours=1)
"""A receiver that is held for longer was held before the clock was set back."""
HEARTBEAT_ATTEMPTS = 3
"""A signal that comes late says something wrong."""
EVENTS_LOADED = 20
ENDPOINTS = (Channel.WEBHOOK, Channel.DISCORD, Channel.HEARTBEAT)

Job = Callable[[], Answer]


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A message that this run sends, in its lane."""

    delivery: Delivery
    lane: str


class Sending:
    """One run. until: the monotonic time after which nothing is claimed any more."""

    def __init__(self, *, until: float) -> None:
        self._until = until
        self._pending: dict[Future[Answer], _Claimed] = {}
        self._served: set[UUID] = set()
        self._mail_down = False

    def run(self) -> int:
        """Send what is due; return how many messages were tried."""
        tried = 0
        with closing(get_connection()) as mails, ThreadPoolExecutor(sum(LANES.values()), "notices") as pool:
            while True:
                for claimed in self._claims():
                    self._pending[pool.submit(_job(claimed.delivery, mails))] = claimed
                    tried += 1
                if not self._pending:
                    return tried
                done, _rest = wait(self._pending, return_when=FIRST_COMPLETED)
                for future in done:
                    self._end(self._pending.pop(future), future)

    def _claims(self) -> Iterator[_Claimed]:
        """Claim messages until every lane is full or nothing is due."""
        for lane, size in LANES.items():
            while time.monotonic() < self._until and self._used(lane) < size:
                delivery = self._next(lane)
                if delivery is None:
                    break
                if (claimed := delivery_claim(delivery)) is not None:
                    yield _Claimed(claimed, lane)

    def _used(self, lane: str) -> int:
        return sum(claimed.lane == lane for claimed in self._pending.values())

    def _next(self, lane: str) -> Delivery | None:
        due = Delivery.objects.filter(state=DeliveryState.QUEUED, not_before__lte=timezone.now())
        if lane in (MAIL, STAFF):
            down = lane == MAIL and self._mail_down
            return None if down else due.filter(channel=lane).order_by("not_before").first()
        return self._next_endpoint(due, failing=lane == FAILING)

    def _next_endpoint(self, due: QuerySet[Delivery], *, failing: bool) -> Delivery | None:
        now = timezone.now()
        held = Q(endpoint__held_until__gt=now, endpoint__held_until__lte=now + HELD_LONGEST)
        open_now = Q(endpoint__held_until__isnull=True) | ~held
        wanted = Q(endpoint__active=True) | Q(signal=Signal.TEST)
        health = Q(endpoint__failures__gt=0) if failing else Q(endpoint__failures=0)
        busy = {claimed.delivery.endpoint_id for claimed in self._pending.values()}
        rows = due.filter(open_now, wanted, health, channel__in=ENDPOINTS).exclude(endpoint__in=busy)
        # A receiver with a long queue waits until the others had their turn.
        found = rows.exclude(endpoint__in=self._served).order_by("not_before").first()
        found = found or rows.order_by("not_before").first()
        if found is None or found.endpoint_id is None:
            return None
        if found.endpoint_id in self._served:
            self._served.clear()
        self._served.add(found.endpoint_id)
        return _newest_signal(found) if found.channel == Channel.HEARTBEAT else found

    def _end(self, claimed: _Claimed, future: Future[Answer]) -> None:
        try:
            answer = future.result()
        except Exception:
            log.exception("message %s failed unexpectedly", claimed.delivery.id)
            answer = Answer(error=DeliveryError())
        delivery_end(claimed.delivery, answer)
        if claimed.lane == MAIL and answer.error is not None and not answer.error.permanent:
            # The server is away: the other mails of this run would each wait for its timeout.
            self._mail_down = True


def delivery_claim(delivery: Delivery) -> Delivery | None:
    """Claim a queued message for one attempt; None when another worker was faster."""
    now = timezone.now()
    queued = Delivery.objects.filter(id=delivery.id, state=DeliveryState.QUEUED)
    if not compare_and_set(queued, state=DeliveryState.SENDING, claimed_at=now, attempts=F("attempts") + 1):
        return None
    return Delivery.objects.filter(id=delivery.id, claimed_at=now).first()


def delivery_end(delivery: Delivery, answer: Answer) -> bool:
    """Record how an attempt ended, and queue the message again after a failure that may pass.

    Return whether the claim was still ours.
    """
    now = timezone.now()
    values: dict[str, Any] = {"status": answer.status, "answer": answer.text, "seconds": answer.seconds}
    again = _again_in(delivery, answer)
    if answer.error is None:
        values |= {"state": DeliveryState.DELIVERED, "finished_at": now, "error": ""}
    elif again is None:
        values |= {"state": DeliveryState.FAILED, "finished_at": now, "error": answer.error.code}
    else:
        values |= {"state": DeliveryState.QUEUED, "not_before": now + again, "error": answer.error.code}
    ours = Delivery.objects.filter(id=delivery.id, state=DeliveryState.SENDING, claimed_at=delivery.claimed_at)
    if not compare_and_set(ours, **values):
        return False
    if answer.error is not None:
        log.info("message %s by %s was not delivered: %s", delivery.id, delivery.channel, answer.error.code)
    if delivery.endpoint_id is not None and delivery.signal != Signal.TEST:
        _endpoint_note(delivery.endpoint_id, answer)
    return True


def _again_in(delivery: Delivery, answer: Answer) -> timedelta | None:
    """The pause before the next attempt; None when there is none."""
    if answer.error is None or answer.error.permanent or delivery.signal == Signal.TEST:
        return None
    most = HEARTBEAT_ATTEMPTS if delivery.channel == Channel.HEARTBEAT else len(DELAYS) + 1
    if delivery.attempts >= most:
        return None
    return timedelta(seconds=max(DELAYS[delivery.attempts - 1], answer.retry_after or 0))


def _endpoint_note(endpoint_id: UUID, answer: Answer) -> None:
    """Hold a receiver that failed; free one that answers again, with everything that waits for it."""
    row = Endpoint.objects.filter(id=endpoint_id)
    if answer.error is None:
        if row.filter(failures__gt=0).update(failures=0, held_until=None):
            waiting = Delivery.objects.filter(endpoint=endpoint_id, state=DeliveryState.QUEUED)
            waiting.filter(not_before__gt=timezone.now()).update(not_before=timezone.now())
        return
    failures = row.values_list("failures", flat=True).first() or 0
    pause = max(DELAYS[min(failures, 3)], answer.retry_after or 0)
    off = {"active": False} if isinstance(answer.error, ReceiverGone) else {}
    row.update(failures=F("failures") + 1, held_until=timezone.now() + timedelta(seconds=pause), **off)


def _newest_signal(delivery: Delivery) -> Delivery:
    """The newest signal that waits for a heartbeat; the older ones are ended."""
    queued = Delivery.objects.filter(endpoint=delivery.endpoint_id, state=DeliveryState.QUEUED).order_by("-created_at")
    newest = queued.exclude(signal=Signal.TEST).first() or delivery
    older = queued.exclude(id=newest.id).exclude(signal=Signal.TEST).filter(created_at__lte=newest.created_at)
    older.update(state=DeliveryState.FAILED, finished_at=timezone.now(), error=Superseded.code)
    return newest


def _job(delivery: Delivery, mails: BaseEmailBackend) -> Job:
    """The network call of a message, with everything it needs read already."""
    try:
        return _job_of(delivery, mails)
    except KeyUnavailable:
        log.warning("message %s cannot be made: the key of its address is not available", delivery.id)
    except Exception:
        log.exception("message %s cannot be made", delivery.id)
    return lambda: Answer(error=DeliveryError())


def _job_of(delivery: Delivery, mails: BaseEmailBackend) -> Job:
    if delivery.user is not None:
        mail = mail_compose(delivery, delivery.user, mails)
        return partial(_mail_job, mail, mails) if mail else Answer
    told = delivery.events.select_related("order").order_by("created_at")
    events: list[Event] = list(told[:EVENTS_LOADED])
    total = len(events) if len(events) < EVENTS_LOADED else told.count()
    endpoint = delivery.endpoint
    if endpoint is None:
        return partial(_staff_job, events, total)
    if delivery.channel == Channel.DISCORD:
        return partial(request_send, discord_request(endpoint, events, total=total))
    if delivery.channel == Channel.HEARTBEAT:
        return partial(request_send, heartbeat_request(endpoint, Signal(delivery.signal)))
    return partial(request_send, webhook_request(delivery, endpoint, events))


def _mail_job(mail: EmailMultiAlternatives, mails: BaseEmailBackend) -> Answer:
    began = time.monotonic()
    try:
        mails.open()
    except OSError:
        return Answer(error=DeliveryError(), seconds=time.monotonic() - began)
    error = mail_send(mail)
    if error is not None:
        # The next mail begins on a connection that is whole.
        mails.close()
    return Answer(error=error, seconds=time.monotonic() - began)


def _staff_job(events: list[Event], total: int) -> Answer:
    began = time.monotonic()
    error = staff_send(events, total=total)
    return Answer(error=error, seconds=time.monotonic() - began)
