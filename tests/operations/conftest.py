"""An order that can be backed up, and its people."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from accounts.models import User
from accounts.services.customers import customer_create
from backups.models import Backup
from backups.services.backups import backup_create
from orders.models import Order, Plan
from orders.services.orders import order_create
from provisions.models import Provision, ProvisionKind
from provisions.services.provisions import provision_create
from vault.models import StorageTarget


@dataclass
class Shop:
    """One customer with one order; its sidecar's address is unreachable."""

    owner: User
    order: Order
    server: Provision
    target: StorageTarget

    def create(self, **changes: object) -> Backup:
        values: dict[str, object] = {"name": None, "idempotency": None, "user": self.owner, **changes}
        return backup_create(order_id=self.order.id, provision_id=self.server.id, **values)  # type: ignore[arg-type]


def shop_open(tmp_path, name: str = "alice") -> Shop:
    owner = User.objects.create_user(name)
    plan, _ = Plan.objects.get_or_create(name="Plan", defaults={"backup_limit": 3})
    order = order_create(customer=customer_create(name=name, owner=owner), plan=plan, name="Server")
    server = provision_create(order=order, kind=ProvisionKind.DEPLOYMENT, name="World", is_primary=True)
    provision_create(order=order, kind=ProvisionKind.SIDECAR, name="Agent", address="127.0.0.1:9", token="x")
    target, _ = StorageTarget.objects.get_or_create(
        name="Local", defaults={"kind": "local", "options": {"root": str(tmp_path / "storage")}, "is_default": True}
    )
    return Shop(owner=owner, order=order, server=server, target=target)


@pytest.fixture
def shop(db, tmp_path) -> Shop:
    return shop_open(tmp_path)


@pytest.fixture
def real_shop(transactional_db, tmp_path) -> Shop:
    """The same shop with committed rows, which other threads can see."""
    return shop_open(tmp_path)
