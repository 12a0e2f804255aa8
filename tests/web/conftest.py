"""A customer with an order that can be backed up, and its owner's browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from backups.models import Backup
from operations.models import OperationState
from tests.api.conftest import House
from tests.factories import BackupFactory, OperationFactory, OrderFactory, ProvisionFactory, StorageTargetFactory


class Site(House):
    """The order with its pages."""

    @property
    def page(self) -> str:
        return f"/orders/{self.order.id}/"

    @property
    def region(self) -> str:
        """The polled part of the order page."""
        return f"{self.page}backups/"

    @property
    def create(self) -> str:
        return f"{self.page}backups/create/"

    def at(self, backup: Backup, rest: str = "") -> str:
        return f"{self.page}backups/{backup.id}/{rest}"

    def begun(self, **values: object) -> Backup:
        """A backup whose create operation is running; `values` are the operation's."""
        backup = BackupFactory(provision=self.server, creating=True)
        OperationFactory(order=self.order, subject=backup, **{"state": OperationState.RUNNING, **values})
        return backup

    def failed(self, **values: object) -> Backup:
        """A backup whose creation failed because the storage could not be reached."""
        backup = BackupFactory(provision=self.server, failed=True, **values)
        OperationFactory(order=self.order, subject=backup, state=OperationState.FAILED)
        return backup

    def suspend(self) -> None:
        self.order.suspended_at = timezone.now()
        self.order.save()


def site_of(root: Path, *, is_default: bool = True) -> Site:
    """A new order, its server with a sidecar that is never called, and a target in a real folder."""
    order = OrderFactory()
    server = ProvisionFactory(order=order)
    ProvisionFactory(order=order, sidecar=True)
    # Like a folder that was written to before: an empty one counts as an unmounted volume.
    (root / ".partial").mkdir()
    target = StorageTargetFactory(options={"root": str(root)}, is_default=is_default)
    return Site(order=order, server=server, target=target, root=root)


def browser_of(user: User) -> Client:
    """A browser in which the user is signed in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def site(db, tmp_path) -> Site:
    return site_of(tmp_path)


@pytest.fixture
def owner(site) -> Client:
    """The browser of the order's owner."""
    return browser_of(site.owner)
