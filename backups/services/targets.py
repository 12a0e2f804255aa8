"""The target that stores the new backups of an order."""

from __future__ import annotations

from django.db.models import Q

from orders.models import Order
from vault.errors import StorageUnavailableError
from vault.models import StorageTarget


def order_target(order: Order) -> StorageTarget | None:
    """The target of the order's plan, else the default one; None where no target is set up."""
    chosen = order.plan.target_id
    wanted = Q(is_default=True) if chosen is None else Q(id=chosen)
    return StorageTarget.objects.filter(wanted).defer("secrets").first()


def order_target_get(order: Order) -> StorageTarget:
    """As `order_target`. Raises StorageUnavailableError when no target is set up."""
    target = order_target(order)
    if target is None:
        raise StorageUnavailableError
    return target
