"""Writes of addresses outside: webhooks, Discord, heartbeats."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.audit import audit_record
from common.errors import ValidationError
from common.idempotency import IdempotencyKey, idempotency_store, idempotent
from common.locks import row_lock
from common.states import compare_and_set
from notices.errors import EndpointNotFound, EndpointsLimit
from notices.kinds import EventKind
from notices.models import Channel, Delivery, DeliveryEvent, DeliveryState, Endpoint, EndpointKind, Signal
from notices.selectors import schedules_named
from notices.sending.addresses import discord_validate, url_validate
from notices.services.waking import dispatch_wake
from orders.models import Order
from orders.rights import OrderRight, right_require
from orders.selectors import order_get
from orders.services.orders import order_lock

ENDPOINTS_MAX = 20
"""The most addresses that one order has."""
OLD_SECRET_SIGNS = timedelta(hours=24)
"""How long the secret before the present one signs as well."""
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """A new address. events: the kinds that are sent, empty for all. schedule_id: the one schedule that it is for."""

    kind: EndpointKind
    url: str = field(repr=False)
    events: Sequence[str] = ()
    active: bool = True
    schedule_id: UUID | None = None


def endpoint_create(
    *, user: User, order_id: UUID, options: EndpointOptions, idempotency: IdempotencyKey | None = None
) -> Endpoint:
    """Add an address to an order, or to one schedule of it.

    A new webhook has its secret in `secret`. Raises OrderNotFound, PermissionDenied, EndpointsLimit, and
    ValidationError for an address that nothing may be sent to, or an unknown event or schedule. The name of the address
    is looked up before the transaction begins.
    """

    def find(endpoint_id: UUID) -> Endpoint:
        found = Endpoint.objects.filter(id=endpoint_id, order=order).first()
        if found is None:
            raise EndpointNotFound
        return found

    def make() -> Endpoint:
        _address_require(options.kind, options.url)
        _events_require(options.events)
        if options.schedule_id is not None and options.schedule_id not in schedules_named(order):
            raise ValidationError(errors={"schedule": [_("The order has no such schedule.")]})
        with transaction.atomic():
            order_lock(order.id)
            if Endpoint.objects.filter(order=order).count() >= ENDPOINTS_MAX:
                raise EndpointsLimit(limit=ENDPOINTS_MAX)
            made = Endpoint.objects.create(
                order=order,
                kind=options.kind,
                url=options.url,
                secret=secret_make() if options.kind == EndpointKind.WEBHOOK else None,
                events=list(options.events),
                active=options.active,
                schedule_id=options.schedule_id,
                language=user.language or get_language() or "",
                created_by=user,
            )
            idempotency_store(idempotency, object_id=made.id)
            audit_record(
                actor=user, action="endpoint.create", order_id=order.id, object_id=made.id, kind=str(options.kind),
                site=made.site,
            )  # fmt: skip
        return made

    order = _order(user, order_id)
    return idempotent(idempotency, find=find, make=make)


def endpoint_update(
    *,
    user: User,
    endpoint: Endpoint,
    url: str | None = None,
    events: Sequence[str] | None = None,
    active: bool | None = None,
) -> Endpoint:
    """Change an address; None leaves a value. An address that is turned on again is tried at once.

    Raises as `endpoint_create`.
    """
    right_require(user, endpoint.order, OrderRight.SCHEDULES)
    if url is not None:
        _address_require(EndpointKind(endpoint.kind), url)
    if events is not None:
        _events_require(events)
    wanted = {"url": url, "events": None if events is None else list(events), "active": active}
    values: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if active or url is not None:
        values |= {"failures": 0, "held_until": None}
    if values:
        with transaction.atomic():
            if not compare_and_set(Endpoint.objects.filter(id=endpoint.id), **values):
                raise EndpointNotFound
            changed = sorted(set(values) & set(wanted))
            audit_record(
                actor=user, action="endpoint.update", order_id=endpoint.order_id, object_id=endpoint.id, fields=changed
            )
    return _again(endpoint)


def endpoint_delete(*, user: User, endpoint: Endpoint) -> None:
    """Remove an address with its messages. Raises PermissionDenied."""
    right_require(user, endpoint.order, OrderRight.SCHEDULES)
    with transaction.atomic():
        Endpoint.objects.filter(id=endpoint.id).delete()
        audit_record(actor=user, action="endpoint.delete", order_id=endpoint.order_id, object_id=endpoint.id)


def endpoint_rotate(*, user: User, endpoint: Endpoint) -> Endpoint:
    """Give a webhook a new secret; the present one signs as well for a day. Raises PermissionDenied, EndpointNotFound.

    Each message then has two signatures.
    """
    right_require(user, endpoint.order, OrderRight.SCHEDULES)
    with transaction.atomic():
        # Of two rotations at the same time the later one keeps the secret that the earlier one has shown.
        current = row_lock(Endpoint.objects.filter(id=endpoint.id, kind=EndpointKind.WEBHOOK))
        if current is None:
            raise EndpointNotFound
        current.secret, current.old_secret = secret_make(), current.secret
        current.old_secret_until = timezone.now() + OLD_SECRET_SIGNS
        current.save(update_fields=["secret", "old_secret", "old_secret_until"])
        audit_record(actor=user, action="endpoint.rotate", order_id=endpoint.order_id, object_id=endpoint.id)
    return _again(endpoint)


def endpoint_test(*, user: User, endpoint: Endpoint) -> Delivery:
    """Send a test to an address, on or off. Raises PermissionDenied."""
    right_require(user, endpoint.order, OrderRight.SCHEDULES)
    with transaction.atomic():
        made = Delivery.objects.create(
            channel=Channel(endpoint.kind), endpoint=endpoint, signal=Signal.TEST, not_before=timezone.now()
        )
        Endpoint.objects.filter(id=endpoint.id).update(held_until=None)
        dispatch_wake()
    return made


def delivery_replay(*, user: User, delivery: Delivery, endpoint: Endpoint) -> Delivery:
    """Send a message once more, with the same webhook-id, as a new delivery. Raises PermissionDenied."""
    right_require(user, endpoint.order, OrderRight.SCHEDULES)
    with transaction.atomic():
        made = delivery_again(delivery)
        Endpoint.objects.filter(id=endpoint.id).update(held_until=None)
        audit_record(
            actor=user, action="delivery.replay", order_id=endpoint.order_id, object_id=endpoint.id,
            delivery=str(delivery.id),
        )  # fmt: skip
    return made


def delivery_again(delivery: Delivery) -> Delivery:
    """A new delivery of the same message, in the caller's transaction."""
    made = Delivery.objects.create(
        channel=delivery.channel,
        user_id=delivery.user_id,
        endpoint_id=delivery.endpoint_id,
        message_id=delivery.message_id,
        signal=delivery.signal,
        not_before=timezone.now(),
        # Above zero, so that routing adds no events to it.
        attempts=0 if delivery.channel == Channel.WEBHOOK else 1,
        state=DeliveryState.QUEUED,
    )
    told = DeliveryEvent.objects.filter(delivery=delivery).values_list("event", flat=True)
    DeliveryEvent.objects.bulk_create([DeliveryEvent(delivery=made, event_id=event) for event in told])
    dispatch_wake()
    return made


def secret_make() -> str:
    """A new secret of a webhook, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _order(user: User, order_id: UUID) -> Order:
    order = order_get(user=user, order_id=order_id)
    right_require(user, order, OrderRight.SCHEDULES)
    return order


def _again(endpoint: Endpoint) -> Endpoint:
    found = Endpoint.objects.select_related("order").filter(id=endpoint.id).first()
    if found is None:
        raise EndpointNotFound
    return found


def _address_require(kind: EndpointKind, url: str) -> None:
    if kind == EndpointKind.DISCORD:
        discord_validate(url)
    else:
        url_validate(url)


def _events_require(events: Sequence[str]) -> None:
    known = {kind.value for kind in EventKind}
    if unknown := sorted(set(events) - known):
        said = _("There is no event named %(name)s.") % {"name": unknown[0]}
        raise ValidationError(errors={"events": [said]})
