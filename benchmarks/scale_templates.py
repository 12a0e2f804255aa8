"""One row of every model, made by the tests' factories, from which the big database is multiplied."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

from django.db.models import Model
from django.utils import timezone

from accounts.models import AuditEvent, Customer, User
from backups import kinds
from backups.models import Backup, OperationBackup
from benchmarks.scale_rows import rows_freeze
from operations.models import Operation, OperationState, Supervisor
from orders.models import Order, OrderUserPermission
from provisions.models import Provision
from schedules.models import Schedule
from vault.models import Asset, StorageTarget, StoredObject

# Tests are not typed, and their factories least of all.
factories: Any = import_module("tests.factories")

KINDS: tuple[type[Model], ...] = (
    User,
    Customer,
    Order,
    OrderUserPermission,
    Provision,
    Asset,
    Operation,
    Backup,
    OperationBackup,
    StoredObject,
    AuditEvent,
    Schedule,
)
"""Those that are multiplied. Plans, the target and a supervisor stay as they are made here."""

PLANS = {"small": 20, "large": 1000}
"""Plans by name, and the backups they keep; the template of an order has the name of its plan."""
RIGHTS = ("view_order", "create_backup")
"""Those of a member."""
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ready": ({}, {"state": OperationState.SUCCEEDED, "attempts": 1}),
    "failed": ({"failed": True}, {"state": OperationState.FAILED, "attempts": 3}),
    "queued": ({"creating": True}, {"state": OperationState.QUEUED}),
    "creating": (
        {"creating": True},
        {"state": OperationState.RUNNING, "attempts": 1, "phase": "packing", "rate": 80_000_000},
    ),
    "restoring": (
        {"restoring": True},
        {
            "kind": kinds.RESTORE.name,
            "state": OperationState.RUNNING,
            "attempts": 1,
            "phase": "fetching",
            "rate": 80_000_000,
        },
    ),
}
"""The differences of a backup and its operation from the usual ones.

A template of a backup has its shape as name, that of its operation as worker.
"""


def templates_make() -> None:
    """Make and freeze the templates; rows that are not multiplied stay in their tables."""
    user = factories.UserFactory()
    customer = factories.CustomerFactory(owner=user)
    plans = {name: factories.PlanFactory(name=name, backup_limit=limit) for name, limit in PLANS.items()}
    orders = [factories.OrderFactory(customer=customer, plan=plan, name=name) for name, plan in plans.items()]
    target = factories.StorageTargetFactory(name="Local folder", sealed=True, is_default=True)
    # A live supervisor for the whole benchmark, because pages warn when there is none.
    supervisor = factories.SupervisorFactory()
    Supervisor.objects.filter(id=supervisor.id).update(seen_at=timezone.now() + timedelta(days=1))
    backups = {shape: _backup(shape, customer=customer, target=target) for shape in SHAPES}
    rows_freeze(
        {
            User: [user],
            Customer: [customer],
            Order: orders,
            OrderUserPermission: [
                factories.OrderUserPermissionFactory(content_object=orders[0], user=user, right=right)
                for right in RIGHTS
            ],
            Provision: [
                factories.ProvisionFactory(order=orders[0]),
                factories.ProvisionFactory(order=orders[0], sidecar=True),
            ],
            Asset: [backups["ready"].asset],
            Operation: [backup.operation for backup in backups.values()],
            Backup: list(backups.values()),
            OperationBackup: [OperationBackup.objects.get(backup=backups["ready"])],
            StoredObject: [factories.StoredObjectFactory(target=target)],
            AuditEvent: [factories.AuditEventFactory(actor=user)],
            Schedule: [factories.ScheduleFactory(order=orders[0], cron="0 4 1 * *")],
        }
    )


def _backup(shape: str, *, customer: Customer, target: StorageTarget) -> Backup:
    """A backup with its operation, on an order of its own: of live operations an order has but one."""
    of_backup, of_operation = SHAPES[shape]
    has_asset = shape in ("ready", "restoring")
    asset = {"asset__target": target, "asset__sealed": True} if has_asset else {}
    backup: Backup = factories.BackupFactory(name=shape, provision__order__customer=customer, **asset, **of_backup)
    factories.OperationFactory(order=backup.order, subject=backup, worker=shape, **of_operation)
    return backup
