"""Turning events into notices: who is told of each, on which channels, in which mail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import User
from accounts.preferences import time_zone_find
from common.locks import row_lock
from notices.kinds import FOR_STAFF
from notices.models import (
    Channel,
    Delivery,
    DeliveryEvent,
    DeliveryState,
    Digest,
    Dispatch,
    Endpoint,
    EndpointKind,
    Event,
    Notice,
)
from notices.selectors import Choices, members_of, staff_told

BATCH = 500
"""The events that one transaction routes."""
COLLECT = timedelta(seconds=20)
"""A message that tells of several events waits so long for more of them."""
PAUSE = timedelta(minutes=10)
"""The least time between two such messages to one receiver."""
MORNING = 8
"""The hour of the reader's day at which a daily mail is sent."""

Receiver = tuple[Channel, UUID | None]
"""Who gets a message of several events: a user by mail, a Discord address, or the staff channels."""


def events_route() -> int:
    """Make the notices of all new events; return how many events there were."""
    routed = 0
    while batch := _batch_route():
        routed += batch
    return routed


def _batch_route() -> int:
    with transaction.atomic():
        # One at a time, so that no event is routed twice.
        row_lock(Dispatch.objects.all())
        events = list(Event.objects.filter(routed_at__isnull=True).order_by("created_at")[:BATCH])
        if events:
            _Routing(events).write()
            Event.objects.filter(id__in=[event.id for event in events]).update(routed_at=timezone.now())
    return len(events)


@dataclass
class _Routing:
    """The notices of some events."""

    events: list[Event]
    now: datetime = field(default_factory=timezone.now)
    notices: list[Notice] = field(default_factory=list)
    told: dict[Receiver, list[UUID]] = field(default_factory=lambda: defaultdict(list))

    def write(self) -> None:
        """Write inbox entries and messages."""
        orders = {event.order_id for event in self.events if event.order_id}
        members = members_of(orders)
        staff = staff_told() if any(event.order_id is None for event in self.events) else set()
        users = staff.union(*members.values())
        choices = Choices(users=users, orders=orders)
        reached = set(User.objects.filter(id__in=users).exclude(email="").values_list("id", flat=True))
        for event in self.events:
            for user in members[event.order_id] if event.order_id else staff:
                choice = choices.of(user, event.order_id, event.schedule_id)
                if event.kind in choice.in_page:
                    self.notices.append(Notice(user_id=user, event=event))
                if event.kind in choice.mail and user in reached:
                    self.told[Channel.MAIL, user].append(event.id)
            if settings.SAVEPOINT_STAFF_CHANNELS and event.kind in FOR_STAFF:
                self.told[Channel.STAFF, None].append(event.id)
        Notice.objects.bulk_create(self.notices, ignore_conflicts=True)
        self._endpoints(orders)
        self._digests(choices)

    def _endpoints(self, orders: Collection[UUID]) -> None:
        """A message for each webhook and event; events of a Discord address are collected."""
        rows = Endpoint.objects.filter(order__in=orders, active=True).exclude(kind=EndpointKind.HEARTBEAT)
        by_order: dict[UUID, list[Endpoint]] = defaultdict(list)
        for row in rows.defer("url", "secret", "old_secret"):
            by_order[row.order_id].append(row)
        single: list[tuple[Delivery, UUID]] = []
        for event in self.events:
            for row in by_order.get(event.order_id, ()) if event.order_id else ():
                if (row.events and event.kind not in row.events) or row.schedule_id not in (None, event.schedule_id):
                    continue
                if row.kind == EndpointKind.DISCORD:
                    self.told[Channel.DISCORD, row.id].append(event.id)
                else:
                    made = Delivery(
                        channel=Channel.WEBHOOK, endpoint_id=row.id, message_id=event.id, not_before=self.now
                    )
                    single.append((made, event.id))
        Delivery.objects.bulk_create([made for made, _event in single])
        _link((made.id, event) for made, event in single)

    def _digests(self, choices: Choices) -> None:
        """Add events to the message that waits for its receiver, or begin one."""
        users = {who for channel, who in self.told if channel == Channel.MAIL and who}
        waiting = _waiting(self.told)
        last = _last(self.told)
        zones = dict(User.objects.filter(id__in=users).values_list("id", "time_zone"))
        made: list[Delivery] = []
        links: list[tuple[UUID, UUID]] = []
        for receiver, events in self.told.items():
            channel, who = receiver
            if (found := waiting.get(receiver)) is None:
                digest = choices.digest(who) if channel == Channel.MAIL and who else Digest.AT_ONCE
                when = _when(self.now, digest=digest, last=last.get(receiver), zone=zones.get(who, "") if who else "")
                begun = Delivery(channel=channel, not_before=when)
                begun.user_id, begun.endpoint_id = (who, None) if channel == Channel.MAIL else (None, who)
                made.append(begun)
                found = begun.id
            links += [(found, event) for event in events]
        Delivery.objects.bulk_create(made)
        _link(links)


def _link(pairs: Iterable[tuple[UUID, UUID]]) -> None:
    DeliveryEvent.objects.bulk_create(
        [DeliveryEvent(delivery_id=delivery, event_id=event) for delivery, event in pairs], batch_size=2000
    )


def _receivers(told: Iterable[Receiver]) -> dict[Channel, list[UUID | None]]:
    found: dict[Channel, list[UUID | None]] = defaultdict(list)
    for channel, who in told:
        found[channel].append(who)
    return found


def _waiting(told: Iterable[Receiver]) -> dict[Receiver, UUID]:
    """The message of each receiver that no worker has claimed yet and none was tried of. Its rows are locked.

    A test has no events, and stays as it is.
    """
    rows = Delivery.objects.filter(state=DeliveryState.QUEUED, attempts=0, signal="").select_for_update()
    found: dict[Receiver, UUID] = {}
    for channel, who in _receivers(told).items():
        column = _COLUMNS[channel]
        own = rows.filter(channel=channel) if column is None else rows.filter(channel=channel, **{f"{column}__in": who})
        for row in own:
            found[channel, getattr(row, column) if column else None] = row.id
    return found


def _last(told: Iterable[Receiver]) -> dict[Receiver, datetime]:
    """When the newest message of each receiver was sent or tried."""
    found: dict[Receiver, datetime] = {}
    for channel, who in _receivers(told).items():
        column = _COLUMNS[channel]
        rows = Delivery.objects.filter(channel=channel, claimed_at__gt=timezone.now() - PAUSE, signal="")
        if column is None:
            newest = rows.aggregate(at=Max("claimed_at"))["at"]
            found |= {(channel, None): newest} if newest else {}
            continue
        own = rows.filter(**{f"{column}__in": who}).order_by().values(column).annotate(at=Max("claimed_at"))
        found |= {(channel, row[column]): row["at"] for row in own}
    return found


_COLUMNS = {Channel.MAIL: "user_id", Channel.DISCORD: "endpoint_id", Channel.STAFF: None}


def _when(now: datetime, *, digest: Digest, last: datetime | None, zone: str) -> datetime:
    """The time at which a message that begins now is sent."""
    if digest == Digest.HOURLY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    if digest == Digest.DAILY:
        local = now.astimezone(time_zone_find(zone) or ZoneInfo("UTC"))
        morning = local.replace(hour=MORNING, minute=0, second=0, microsecond=0)
        return morning if morning > local else morning + timedelta(days=1)
    return max(now + COLLECT, last + PAUSE if last else now)
