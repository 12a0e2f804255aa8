"""One order, and all personas."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.scopes import Scope
from backups import kinds
from backups.models import Backup, OperationRole
from notices.models import Delivery, DeliveryState, Endpoint
from operations.models import Operation, OperationState
from orders.models import Order
from orders.rights import ALL_RIGHTS, STAFF_RIGHTS, OrderRight
from provisions.models import Provision, ProvisionKind
from schedules.models import Schedule
from tests.factories import (
    BackupFactory,
    DeliveryFactory,
    EndpointFactory,
    OperationBackupFactory,
    OperationFactory,
    OrderUserPermissionFactory,
    ScheduleFactory,
    UserFactory,
)
from tests.world.clients import client_of
from tests.world.rental import Rental


@dataclass(frozen=True)
class Persona:
    """A caller: their rights on the order (None: no access at all), and the scopes of their token."""

    name: str
    rights: frozenset[OrderRight] | None
    scopes: tuple[str, ...] = ()
    anonymous: bool = False
    suspended: bool = False
    permissions: tuple[str, ...] = ()
    owner: bool = False

    def __str__(self) -> str:
        return self.name


def member(*rights: OrderRight) -> frozenset[OrderRight]:
    """The rights of a member; any right implies that the order is visible."""
    return frozenset({OrderRight.VIEW, *rights})


OUTSIDER = Persona("outsider", None)
OWNER = Persona("owner", ALL_RIGHTS, owner=True)
PERSONAS = [
    Persona("anonymous", None, anonymous=True),
    OUTSIDER,
    Persona("staff without rights", None),
    *(Persona(f"member with {right} only", member(right)) for right in OrderRight),
    Persona("member who may view and create", member(OrderRight.CREATE)),
    OWNER,
    Persona("owner with a read-only token", ALL_RIGHTS, owner=True, scopes=(Scope.VIEW,)),
    Persona("owner of a suspended order", ALL_RIGHTS, owner=True, suspended=True),
    Persona("staff who see all orders", STAFF_RIGHTS, permissions=("view_all_orders",)),
    Persona(
        "staff who read customers' data",
        STAFF_RIGHTS | {OrderRight.DOWNLOAD},
        permissions=("view_all_orders", "read_customer_data"),
    ),
    Persona("staff who bill", STAFF_RIGHTS, permissions=("view_all_orders", "change_order", "delete_order")),
]


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def methods_tried(persona: Persona, known: Collection[str], turn: int) -> list[str]:
    """The methods to try at a route: those that it knows, and others.

    A stranger and the owner try every other one, which shows what the route has. The rest, whose rights lie between,
    try one, by turns, and read by GET or HEAD, by turns.
    """
    others = [method for method in METHODS if method not in known]
    if persona in (OUTSIDER, OWNER):
        return [*known, *others]
    place = turn + len(persona.name)
    left = ("GET", "HEAD")[place % 2] if {"GET", "HEAD"} <= {*known} else None
    return [*(method for method in known if method != left), others[place % len(others)]]


@dataclass
class World:
    """The order with all objects that belong to it."""

    order: Order
    server: Provision
    backup: Backup
    operation: Operation
    of_server: Schedule
    of_order: Schedule
    endpoint: Endpoint
    delivery: Delivery
    user: User | None
    client: APIClient

    def path(self, template: str) -> str:
        """The address of these objects; a schedule is the server's below its address, and else the order's."""
        schedule = self.of_server if "{provision}" in template else self.of_order
        return "/" + template.format(
            order=self.order.id,
            provision=self.server.id,
            backup=self.backup.id,
            operation=self.operation.id,
            asset=self.backup.asset_id,
            schedule=schedule.id,
            endpoint=self.endpoint.id,
            webhook=self.endpoint.id,
            delivery=self.delivery.id,
            kind="crash",
        )

    def create_begins(self) -> None:
        """Turn the operation into a create that can be cancelled."""
        Operation.objects.filter(id=self.operation.id).update(state=OperationState.RUNNING, finished_at=None)

    def restore_begins(self) -> None:
        """Turn it into a restore that can be cancelled."""
        self.create_begins()
        Operation.objects.filter(id=self.operation.id).update(kind=kinds.RESTORE.name, server_id=self.server.id)

    def volumes_offered(self) -> None:
        """Let the sidecar have said that it makes volumes."""
        Provision.objects.filter(order=self.order, kind=ProvisionKind.SIDECAR).update(can_make_volumes=True)

    def restore_ended(self) -> None:
        """Turn it into a restore that can be undone."""
        Operation.objects.filter(id=self.operation.id).update(kind=kinds.RESTORE.name, server_id=self.server.id)
        safety = BackupFactory(provision=self.server, is_safety=True, expires_at=timezone.now() + timedelta(hours=1))
        OperationBackupFactory(operation=self.operation, backup=safety, role=OperationRole.SAFETY)


def world_of(persona: Persona, root: Path) -> World:
    """The world for one persona."""
    rental = Rental.make(root / "storage")
    if persona.suspended:
        rental.suspend()
    backup = rental.stored()
    operation = OperationFactory(order=rental.order, subject=backup)
    schedules = {
        "of_server": ScheduleFactory(order=rental.order, provision=rental.server),
        "of_order": ScheduleFactory(order=rental.order),
    }
    user = None if persona.anonymous else _user(persona, rental.order)
    client = client_of(user, scopes=persona.scopes)
    endpoint = EndpointFactory(order=rental.order)
    return World(
        rental.order,
        rental.server,
        backup=backup,
        operation=operation,
        endpoint=endpoint,
        delivery=DeliveryFactory(endpoint=endpoint, state=DeliveryState.DELIVERED),
        user=user,
        client=client,
        **schedules,
    )


def _user(persona: Persona, order: Order) -> User:
    if persona.owner:
        return order.customer.owner
    user = UserFactory(is_staff=persona.name.startswith("staff"))
    user.user_permissions.set(Permission.objects.filter(codename__in=persona.permissions))
    if not persona.permissions:
        for right in persona.rights or ():
            OrderUserPermissionFactory(content_object=order, user=user, right=right.value)
    return user
