"""Reads of provisions, within an order the caller may see."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from accounts.models import User
from orders.models import Order
from orders.selectors import order_get
from provisions.errors import NoSidecar, NotAPrimaryDeployment, ProvisionNotFound
from provisions.models import Provision, ProvisionKind


def provision_get(*, user: User, order_id: UUID, provision_id: UUID) -> Provision:
    """The provision of that order, if the caller may see it. Raises OrderNotFound, ProvisionNotFound."""
    order = order_get(user=user, order_id=order_id)
    provision = provision_of(order_id=order_id, provision_id=provision_id)
    # The order with its customer and plan is loaded already: no second query for it.
    provision.order = order
    return provision


def provision_of(*, order_id: UUID, provision_id: UUID) -> Provision:
    """The provision of that order, for the product itself. Raises ProvisionNotFound."""
    provision = Provision.objects.filter(order=order_id, id=provision_id).first()
    if provision is None:
        raise ProvisionNotFound
    return provision


def provision_sidecar(provision: Provision) -> Provision:
    """The sidecar through which a provision's files are reached. Raises NotAPrimaryDeployment, NoSidecar."""
    return sidecar_among(Provision.objects.filter(order_id=provision.order_id, kind=ProvisionKind.SIDECAR), provision)


def sidecar_among(provisions: Iterable[Provision], provision: Provision) -> Provision:
    """As `provision_sidecar`, out of the provisions of its order. Raises NotAPrimaryDeployment, NoSidecar."""
    if not provision.is_primary:
        raise NotAPrimaryDeployment
    sidecar = next((found for found in provisions if found.kind == ProvisionKind.SIDECAR), None)
    if sidecar is None:
        raise NoSidecar
    return sidecar


def provisions_of(order: Order) -> list[Provision]:
    """Every provision of an order, the primary one first."""
    return list(Provision.objects.filter(order=order).order_by("-is_primary", "created_at", "id"))
