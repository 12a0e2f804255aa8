"""A customer with an order that can be backed up, clients of its users, and the shape of errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.tokens import token_create
from backups.models import Backup
from orders.models import Order
from provisions.models import Provision
from tests.factories import (
    AssetFactory,
    BackupFactory,
    OrderFactory,
    ProvisionFactory,
    StorageTargetFactory,
    UserFactory,
)
from tests.factories.backups import CONTENT
from vault.models import StorageTarget


@dataclass
class House:
    """One order with a server, a sidecar that is never called, and a target in a real folder."""

    order: Order
    server: Provision
    target: StorageTarget
    root: Path
    owner: User = field(init=False)

    def __post_init__(self) -> None:
        self.owner = self.order.customer.owner

    @property
    def backups(self) -> str:
        return f"/api/v1/orders/{self.order.id}/provisions/{self.server.id}/backups/"

    def backup_url(self, backup: Backup, rest: str = "") -> str:
        return f"{self.backups}{backup.id}/{rest}"

    def stored(self, content: bytes = CONTENT, **values: object) -> Backup:
        """A ready backup whose bytes are in the folder."""
        asset = AssetFactory(customer=self.order.customer, target=self.target, content=content)
        path = self.root / asset.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return BackupFactory(provision=self.server, asset=asset, **values)


def client_of(user: User | None, *, scopes: tuple[str, ...] = ()) -> APIClient:
    """A client with a new token of the user, or without one."""
    client = APIClient()
    if user is not None:
        _, secret = token_create(user=user, name="test", scopes=scopes)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def house(db, tmp_path) -> House:
    order = OrderFactory()
    server = ProvisionFactory(order=order)
    ProvisionFactory(order=order, sidecar=True)
    # Like a folder that was written to before: an empty one counts as an unmounted volume.
    (tmp_path / ".partial").mkdir()
    target = StorageTargetFactory(options={"root": str(tmp_path)}, is_default=True)
    return House(order=order, server=server, target=target, root=tmp_path)


@pytest.fixture
def client(house) -> APIClient:
    """The owner's client, with a token."""
    return client_of(house.owner)


@pytest.fixture
def outsider(db) -> APIClient:
    return client_of(UserFactory())
