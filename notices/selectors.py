"""Reads of notices, scoped to the caller."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

from accounts.models import User
from notices.errors import DeliveryNotFound, EndpointNotFound
from notices.kinds import QUIET, URGENT, EventKind
from notices.models import Delivery, Digest, Endpoint, EndpointKind, Notice, Preference
from orders.models import Order, OrderGroupPermission, OrderUserPermission
from orders.rights import OrderRight, orders_visible, right_require
from orders.selectors import order_get

UNREAD_SHOWN = 100
STAFF_TOLD = 500
"""The most staff members whose inboxes get an event of the portal."""

ScheduleNames = Callable[[Order], Iterable[tuple[UUID, str]]]
_schedules: list[ScheduleNames] = []


def schedule_names_register(names: ScheduleNames) -> None:
    """Register the function that lists id and name of an order's schedules, which stand in an app further up."""
    if names not in _schedules:
        _schedules.append(names)


def schedules_named(order: Order) -> dict[UUID, str]:
    """The schedules of an order by id."""
    return {pk: name for names in _schedules for pk, name in names(order)}


@dataclass(frozen=True, slots=True)
class Choice:
    """The kinds that a user is told of in the inbox and by mail."""

    in_page: frozenset[str]
    mail: frozenset[str]


DEFAULT = Choice(
    in_page=frozenset(kind.value for kind in EventKind if kind not in QUIET),
    mail=frozenset(kind.value for kind in URGENT),
)


class Choices:
    """The choices of some users, read at once."""

    def __init__(self, *, users: Collection[UUID], orders: Collection[UUID]) -> None:
        rows = Preference.objects.filter(Q(order__isnull=True) | Q(order__in=orders), user__in=users)
        self._rows = {(row.user_id, row.order_id, row.schedule_id): row for row in rows}

    def of(self, user_id: UUID, order_id: UUID | None, schedule_id: UUID | None) -> Choice:
        """The choice that counts for an event: the narrowest, or the default."""
        for key in ((user_id, order_id, schedule_id), (user_id, order_id, None), (user_id, None, None)):
            if (row := self._rows.get(key)) is not None:
                return Choice(in_page=frozenset(row.in_page), mail=frozenset(row.mail))
        return DEFAULT

    def digest(self, user_id: UUID) -> Digest:
        """How often a user gets mails."""
        row = self._rows.get((user_id, None, None))
        return Digest(row.digest) if row else Digest.AT_ONCE


def preference_of(*, user: User, order: Order | None = None, schedule_id: UUID | None = None) -> Preference | None:
    """The user's own row for exactly this scope."""
    return Preference.objects.filter(user=user, order=order, schedule_id=schedule_id).first()


def members_of(orders: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """The active users who are told of each order: its owner, and everybody with a right on it."""
    told: dict[UUID, set[UUID]] = {order: set() for order in orders}
    owners = Order.objects.filter(id__in=orders, customer__owner__is_active=True)
    direct = OrderUserPermission.objects.filter(content_object__in=orders, user__is_active=True)
    by_group = OrderGroupPermission.objects.filter(content_object__in=orders, group__user__is_active=True)
    pairs = [
        *owners.values_list("id", "customer__owner"),
        *direct.values_list("content_object", "user"),
        *by_group.values_list("content_object", "group__user"),
    ]
    for order, user in pairs:
        told[order].add(user)
    return told


def staff_told() -> set[UUID]:
    """The active staff who see every order."""
    permission = Permission.objects.filter(codename="view_all_orders", content_type__app_label="orders")
    holds = Q(is_superuser=True) | Q(user_permissions__in=permission) | Q(groups__permissions__in=permission)
    staff = User.objects.filter(holds, is_active=True, is_staff=True).order_by("id").distinct()
    return set(staff.values_list("id", flat=True)[:STAFF_TOLD])


def notices_of(user: User) -> QuerySet[Notice]:
    """The inbox of a user without the orders that they may no longer see, in no order."""
    seen = Q(event__order__isnull=True) | Q(event__order__in=orders_visible(user))
    return Notice.objects.filter(seen, user=user).select_related("event__order")


def notices_unread(user: User) -> int:
    """How many notices a user has not read; counted up to `UNREAD_SHOWN`."""
    return notices_of(user).filter(read_at__isnull=True)[:UNREAD_SHOWN].count()


def endpoints_of(*, user: User, order_id: UUID) -> QuerySet[Endpoint]:
    """The addresses of an order, in no order. Raises OrderNotFound, PermissionDenied."""
    order = order_get(user=user, order_id=order_id)
    right_require(user, order, OrderRight.SCHEDULES)
    return Endpoint.objects.filter(order=order)


def webhooks_of(*, user: User, order_id: UUID) -> QuerySet[Endpoint]:
    """The webhooks of an order, in no order. Raises as `endpoints_of`."""
    return endpoints_of(user=user, order_id=order_id).filter(kind=EndpointKind.WEBHOOK)


def endpoint_get(
    *, user: User, order_id: UUID, endpoint_id: UUID, kinds: Collection[EndpointKind] = tuple(EndpointKind)
) -> Endpoint:
    """One address. Raises OrderNotFound, PermissionDenied, EndpointNotFound."""
    rows = endpoints_of(user=user, order_id=order_id).filter(id=endpoint_id, kind__in=kinds)
    endpoint = rows.select_related("order").first()
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


def deliveries_of(endpoint: Endpoint) -> QuerySet[Delivery]:
    """The messages to an address that the caller was found to see, in no order."""
    return Delivery.objects.filter(endpoint=endpoint).prefetch_related("events")


def delivery_get(*, endpoint: Endpoint, delivery_id: UUID) -> Delivery:
    """One of them. Raises DeliveryNotFound."""
    delivery = deliveries_of(endpoint).filter(id=delivery_id).first()
    if delivery is None:
        raise DeliveryNotFound
    return delivery
