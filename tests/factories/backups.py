"""Targets, assets, backups, operations: each state complete, as the constraints want it."""

import hashlib
import secrets
import uuid

import factory
from django.utils import timezone

from backups import kinds
from backups.models import (
    Asset,
    Backup,
    BackupStatus,
    DataKey,
    Finding,
    Invariant,
    OperationBackup,
    StorageTarget,
    StoredObject,
    TargetKind,
)
from operations.kinds import kind_of
from operations.models import LIVE_STATES, Operation, OperationState, OperationTally, Supervisor
from tests.factories.accounts import CustomerFactory
from tests.factories.orders import OrderFactory
from tests.factories.provisions import ProvisionFactory

CONTENT = b"the bytes of an archive"


class StorageTargetFactory(factory.django.DjangoModelFactory):
    """A plain local folder; give `options={"root": …}` to one that is really read."""

    class Meta:
        model = StorageTarget

    name = factory.Sequence(lambda number: f"Target {number}")
    kind = TargetKind.LOCAL
    options = factory.LazyFunction(lambda: {"root": "/nonexistent"})
    sealed = False


class DataKeyFactory(factory.django.DjangoModelFactory):
    """A key that opens nothing: rows for lists. Keys that open are made by `backups.services.keys`."""

    class Meta:
        model = DataKey

    customer = factory.SubFactory(CustomerFactory)
    target = factory.SubFactory(StorageTargetFactory)
    wrapped = factory.LazyFunction(lambda: secrets.token_bytes(73))


class StoredObjectFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = StoredObject

    target = factory.SubFactory(StorageTargetFactory)
    key = factory.Sequence(lambda number: f"backups/stored-{number}.tar.gz")
    backup_id = factory.LazyFunction(uuid.uuid4)


class AssetFactory(factory.django.DjangoModelFactory):
    """An asset of a plain target whose bytes are `content`."""

    class Meta:
        model = Asset

    class Params:
        content = CONTENT

    customer = factory.SubFactory(CustomerFactory)
    target = factory.SubFactory(StorageTargetFactory)
    key = factory.Sequence(lambda number: f"backups/asset-{number}.tar.gz")
    sealed = False
    size_bytes = factory.LazyAttribute(lambda asset: len(asset.content))
    stored_bytes = factory.LazyAttribute(lambda asset: len(asset.content))
    sha256 = factory.LazyAttribute(lambda asset: hashlib.sha256(asset.content).hexdigest())
    content_type = "application/gzip"


class BackupFactory(factory.django.DjangoModelFactory):
    """A backup that is ready; `creating=True`, `failed=True` and `restoring=True` make the others."""

    class Meta:
        model = Backup

    class Params:
        creating = factory.Trait(status=BackupStatus.CREATING, asset=None, size_bytes=None, completed_at=None)
        failed = factory.Trait(status=BackupStatus.FAILED, asset=None, size_bytes=None)
        restoring = factory.Trait(status=BackupStatus.RESTORING)

    provision = factory.SubFactory(ProvisionFactory)
    order = factory.SelfAttribute("provision.order")
    name = factory.Sequence(lambda number: f"Backup {number}")
    status = BackupStatus.READY
    asset = factory.SubFactory(AssetFactory, customer=factory.SelfAttribute("..order.customer"))
    size_bytes = factory.SelfAttribute("asset.size_bytes")
    completed_at = factory.LazyFunction(timezone.now)


class OperationFactory(factory.django.DjangoModelFactory):
    """An operation that succeeded; give `state=` for the others."""

    class Meta:
        model = Operation
        skip_postgeneration_save = True

    order = factory.SubFactory(OrderFactory)
    kind = kinds.CREATE.name
    exclusive = factory.LazyAttribute(lambda operation: kind_of(operation).exclusive)
    state = OperationState.SUCCEEDED
    fence = factory.LazyAttribute(lambda operation: int(operation.state != OperationState.QUEUED))
    started_at = factory.LazyAttribute(
        lambda operation: None if operation.state == OperationState.QUEUED else timezone.now()
    )
    finished_at = factory.LazyAttribute(lambda operation: None if operation.state in LIVE_STATES else timezone.now())
    error_code = factory.LazyAttribute(
        lambda operation: {
            OperationState.FAILED: "storage_unavailable",
            OperationState.CANCELLED: "cancelled",
        }.get(operation.state, "")
    )

    @factory.post_generation
    def subject(self, create, backup, **kwargs):
        """`subject=` names the backup it is about."""
        if backup is not None:
            OperationBackup.objects.create(operation=self, backup=backup)
            backup.operation = self
            backup.save(update_fields=["operation"])


class OperationBackupFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = OperationBackup

    backup = factory.SubFactory(BackupFactory)
    operation = factory.SubFactory(OperationFactory, order=factory.SelfAttribute("..backup.order"))


class OperationTallyFactory(factory.django.DjangoModelFactory):
    """There is one for each kind and end."""

    class Meta:
        model = OperationTally

    kind = factory.Iterator([kind.name for kind in kinds.KINDS for _ in range(3)])
    state = factory.Iterator([state for state in OperationState if state not in LIVE_STATES])
    count = 1


class FindingFactory(factory.django.DjangoModelFactory):
    """An open finding that counts."""

    class Meta:
        model = Finding

    invariant = Invariant.I1
    code = "archive_missing"
    object_type = "backup"
    object_id = factory.LazyFunction(uuid.uuid4)
    first_seen_at = factory.LazyFunction(timezone.now)
    last_seen_at = factory.SelfAttribute("first_seen_at")
    confirmed_at = factory.SelfAttribute("first_seen_at")


class SupervisorFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Supervisor

    id = factory.LazyFunction(uuid.uuid4)
    host = "host"
    workers = 2
    workers_alive = 2
