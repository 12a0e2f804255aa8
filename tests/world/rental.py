"""One customer with a server: the order and its parts, what is done by the services, and where its pages are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.utils import timezone

from accounts.models import User
from backups.models import Backup, BackupStatus
from backups.services.backups import backup_create, backup_delete
from backups.services.restores import RestoreOptions, backup_restore, restore_undo
from operations.models import Operation, OperationState
from operations.work.run import operation_answer
from orders.models import Order
from provisions.models import Provision
from tests.factories import (
    AssetFactory,
    BackupFactory,
    OperationFactory,
    OrderFactory,
    ProvisionFactory,
    StorageTargetFactory,
)
from tests.factories.backups import CONTENT
from vault.models import StorageTarget


@dataclass
class Rental:
    """An order with a game server, a sidecar and a storage target in the folder `root`.

    The sidecar's address leads nowhere until `reach` says where a daemon is.
    """

    order: Order
    server: Provision
    sidecar: Provision
    target: StorageTarget
    root: Path

    @classmethod
    def make(cls, root: Path, *, is_default: bool = True, **more: Any) -> Self:
        """Make the rows and the target's folder; `more` is what a class of its own has besides."""
        order = OrderFactory(name="Server")
        server = ProvisionFactory(order=order)
        sidecar = ProvisionFactory(order=order, sidecar=True)
        # As a folder looks that was written to before; an empty one passes for a volume that is not mounted.
        (root / ".partial").mkdir(parents=True)
        target = StorageTargetFactory(options={"root": str(root)}, is_default=is_default, sealed=True)
        return cls(order=order, server=server, sidecar=sidecar, target=target, root=root, **more)

    @property
    def owner(self) -> User:
        return self.order.customer.owner

    def reach(self, address: str, *, token: str) -> None:
        """Let the portal reach a real sidecar."""
        self.sidecar.address, self.sidecar.token = address, token
        self.sidecar.save()

    def suspend(self) -> None:
        self.order.suspended_at = timezone.now()
        self.order.save()

    # The customer's actions, by the services.

    def create(self, **changes: Any) -> Backup:
        """Ask for a backup."""
        values: dict[str, Any] = {"name": None, "idempotency": None, "user": self.owner, **changes}
        return backup_create(order_id=self.order.id, provision_id=self.server.id, **values)

    def restore_ask(self, backup: Backup, **options: Any) -> None:
        backup_restore(
            user=self.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
            options=RestoreOptions(**options), idempotency=None,
        )  # fmt: skip

    def work(self) -> Operation:
        """Be the worker for the newest operation, whatever it waits for; return it as it is then."""
        operation = Operation.objects.order_by("created_at").last()
        assert operation is not None
        Operation.objects.filter(id=operation.id).update(not_before=None)
        operation_answer(operation.id)
        operation.refresh_from_db()
        return operation

    def answer(self) -> None:
        """Be the worker for whatever is queued."""
        for operation in Operation.objects.filter(state=OperationState.QUEUED):
            operation_answer(operation.id)

    def backup(self, **changes: Any) -> Backup:
        """A ready backup."""
        made = self.create(**changes)
        self._succeeds()
        made.refresh_from_db()
        assert made.status == BackupStatus.READY
        return made

    def restore(self, backup: Backup, **options: Any) -> Operation:
        """A restore that succeeds."""
        self.restore_ask(backup, **options)
        return self._succeeds()

    def undo(self, backup: Backup) -> Operation:
        """The taking back of a restore, which succeeds."""
        restore_undo(
            user=self.owner, order_id=backup.order_id, provision_id=backup.provision_id, backup_id=backup.id,
            idempotency=None,
        )  # fmt: skip
        return self._succeeds()

    def delete(self, backup: Backup) -> None:
        backup_delete(user=self.owner, backup=backup)
        self._succeeds()
        assert not Backup.objects.filter(id=backup.id).exists()

    def _succeeds(self) -> Operation:
        operation = self.work()
        assert operation.state == OperationState.SUCCEEDED, operation.error_code
        return operation

    # Rows as work leaves them, without the work.

    def stored(self, content: bytes = CONTENT, **values: Any) -> Backup:
        """A ready backup whose bytes really are in the folder."""
        asset = AssetFactory(customer=self.order.customer, target=self.target, content=content)
        path = self.root / asset.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return BackupFactory(provision=self.server, asset=asset, **values)

    def begun(self, **values: Any) -> Backup:
        """A backup that is being created, by an operation that runs; the values are the operation's."""
        backup = BackupFactory(provision=self.server, creating=True)
        OperationFactory(order=self.order, subject=backup, **{"state": OperationState.RUNNING, **values})
        return backup

    def failed(self, **values: Any) -> Backup:
        """A backup whose creation failed because the storage could not be reached."""
        backup = BackupFactory(provision=self.server, failed=True, **values)
        OperationFactory(order=self.order, subject=backup, state=OperationState.FAILED)
        return backup

    # Addresses of the API and of the pages.

    @property
    def backups(self) -> str:
        return f"/api/v1/orders/{self.order.id}/provisions/{self.server.id}/backups/"

    def backup_url(self, backup: Backup, rest: str = "") -> str:
        return f"{self.backups}{backup.id}/{rest}"

    @property
    def page(self) -> str:
        return f"/orders/{self.order.id}/"

    @property
    def region(self) -> str:
        """The part of the order page that is asked for again."""
        return f"{self.page}backups/"

    @property
    def create_page(self) -> str:
        return f"{self.page}backups/create/"

    def at(self, backup: Backup, rest: str = "") -> str:
        return f"{self.page}backups/{backup.id}/{rest}"
