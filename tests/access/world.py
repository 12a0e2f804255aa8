"""One order, and all personas."""

from __future__ import annotations

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
from operations.models import Operation, OperationState
from orders.models import Order
from orders.rights import ALL_RIGHTS, STAFF_RIGHTS, OrderRight
from provisions.models import Provision, ProvisionKind
from tests.factories import (
    BackupFactory,
    OperationBackupFactory,
    OperationFactory,
    OrderUserPermissionFactory,
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


PERSONAS = [
    Persona("anonymous", None, anonymous=True),
    Persona("outsider", None),
    Persona("staff without rights", None),
    *(Persona(f"member with {right} only", member(right)) for right in OrderRight),
    Persona("member who may view and create", member(OrderRight.CREATE)),
    Persona("owner", ALL_RIGHTS, owner=True),
    Persona("owner with a read-only token", ALL_RIGHTS, owner=True, scopes=(Scope.VIEW,)),
    Persona("owner of a suspended order", ALL_RIGHTS, owner=True, suspended=True),
    Persona("staff who see all orders", STAFF_RIGHTS, permissions=("view_all_orders",)),
    Persona(
        "staff who read customers' data",
        STAFF_RIGHTS | {OrderRight.DOWNLOAD},
        permissions=("view_all_orders", "read_customer_data"),
    ),
]


@dataclass
class World:
    """The order with all objects that belong to it."""

    order: Order
    server: Provision
    backup: Backup
    operation: Operation
    user: User | None
    client: APIClient

    def path(self, template: str) -> str:
        """The address of these objects."""
        return "/" + template.format(
            order=self.order.id,
            provision=self.server.id,
            backup=self.backup.id,
            operation=self.operation.id,
            asset=self.backup.asset_id,
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
    user = None if persona.anonymous else _user(persona, rental.order)
    client = client_of(user, scopes=persona.scopes)
    return World(rental.order, rental.server, backup=backup, operation=operation, user=user, client=client)


def _user(persona: Persona, order: Order) -> User:
    if persona.owner:
        return order.customer.owner
    user = UserFactory(is_staff=persona.name.startswith("staff"))
    user.user_permissions.set(Permission.objects.filter(codename__in=persona.permissions))
    if not persona.permissions:
        for right in persona.rights or ():
            OrderUserPermissionFactory(content_object=order, user=user, right=right.value)
    return user
