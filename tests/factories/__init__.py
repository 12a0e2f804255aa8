"""A factory for every model; each creates rows that the database's constraints accept."""

from tests.factories.accounts import ApiTokenFactory, AuditEventFactory, CustomerFactory, UserFactory
from tests.factories.backups import (
    AssetExportFactory,
    AssetFactory,
    BackupFactory,
    DataKeyFactory,
    FindingFactory,
    OperationBackupFactory,
    RepositoryFactory,
    StorageTargetFactory,
    StoredObjectFactory,
    UsageSampleFactory,
)
from tests.factories.common import IdempotencyRecordFactory
from tests.factories.notices import (
    DeliveryEventFactory,
    DeliveryFactory,
    DispatchFactory,
    EndpointFactory,
    EventFactory,
    NoticeFactory,
    PreferenceFactory,
)
from tests.factories.operations import ChoreRunFactory, OperationFactory, OperationTallyFactory, SupervisorFactory
from tests.factories.orders import (
    OrderFactory,
    OrderGroupPermissionFactory,
    OrderUserPermissionFactory,
    PlanFactory,
    PlanReductionFactory,
)
from tests.factories.provisions import (
    ProvisionFactory,
    SidecarAuthorityFactory,
    SidecarCertificateFactory,
    SidecarEnrolmentFactory,
)
from tests.factories.schedules import (
    OrderProtectionFactory,
    RotationFactory,
    ScheduleFactory,
    ScheduleRunFactory,
    TriggerFactory,
)

__all__ = [
    "ApiTokenFactory",
    "AssetExportFactory",
    "AssetFactory",
    "AuditEventFactory",
    "BackupFactory",
    "ChoreRunFactory",
    "CustomerFactory",
    "DataKeyFactory",
    "DeliveryEventFactory",
    "DeliveryFactory",
    "DispatchFactory",
    "EndpointFactory",
    "EventFactory",
    "FindingFactory",
    "IdempotencyRecordFactory",
    "NoticeFactory",
    "OperationBackupFactory",
    "OperationFactory",
    "OperationTallyFactory",
    "OrderFactory",
    "OrderGroupPermissionFactory",
    "OrderProtectionFactory",
    "OrderUserPermissionFactory",
    "PlanFactory",
    "PlanReductionFactory",
    "PreferenceFactory",
    "ProvisionFactory",
    "RepositoryFactory",
    "RotationFactory",
    "ScheduleFactory",
    "ScheduleRunFactory",
    "SidecarAuthorityFactory",
    "SidecarCertificateFactory",
    "SidecarEnrolmentFactory",
    "StorageTargetFactory",
    "StoredObjectFactory",
    "SupervisorFactory",
    "TriggerFactory",
    "UsageSampleFactory",
    "UserFactory",
]
