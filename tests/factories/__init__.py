"""A factory for every model; each makes rows that the database's constraints accept."""

from tests.factories.accounts import ApiTokenFactory, AuditEventFactory, CustomerFactory, UserFactory
from tests.factories.backups import (
    AssetFactory,
    BackupFactory,
    DataKeyFactory,
    OperationBackupFactory,
    OperationFactory,
    StorageTargetFactory,
    StoredObjectFactory,
    SupervisorFactory,
)
from tests.factories.common import IdempotencyRecordFactory
from tests.factories.orders import OrderFactory, OrderGroupPermissionFactory, OrderUserPermissionFactory, PlanFactory
from tests.factories.provisions import ProvisionFactory

__all__ = [
    "ApiTokenFactory",
    "AssetFactory",
    "AuditEventFactory",
    "BackupFactory",
    "CustomerFactory",
    "DataKeyFactory",
    "IdempotencyRecordFactory",
    "OperationBackupFactory",
    "OperationFactory",
    "OrderFactory",
    "OrderGroupPermissionFactory",
    "OrderUserPermissionFactory",
    "PlanFactory",
    "ProvisionFactory",
    "StorageTargetFactory",
    "StoredObjectFactory",
    "SupervisorFactory",
    "UserFactory",
]
