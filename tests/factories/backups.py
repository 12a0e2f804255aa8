"""Targets, assets, backups, operations: each state is complete, as the constraints require."""

import hashlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta

import factory
from django.utils import timezone

from backups.models import Backup, BackupStatus, Finding, Invariant, OperationBackup, UsageSample
from tests.factories.accounts import CustomerFactory
from tests.factories.operations import OperationFactory
from tests.factories.orders import OrderFactory
from tests.factories.provisions import ProvisionFactory
from vault.models import Asset, AssetExport, DataKey, Repository, StorageTarget, StoredObject

CONTENT = b"the bytes of an archive"


class StorageTargetFactory(factory.django.DjangoModelFactory):
    """A plain local folder; pass `options={"root": …}` if it will be read."""

    class Meta:
        model = StorageTarget

    name = factory.Sequence(lambda number: f"Target {number}")
    kind = "local"
    options = factory.LazyFunction(lambda: {"root": "/nonexistent"})
    sealed = False


class DataKeyFactory(factory.django.DjangoModelFactory):
    """A key that opens nothing, for rows in lists. `vault.services.keys` creates keys that open."""

    class Meta:
        model = DataKey

    customer = factory.SubFactory(CustomerFactory)
    target = factory.SubFactory(StorageTargetFactory)
    wrapped = factory.LazyFunction(lambda: secrets.token_bytes(73))


class RepositoryFactory(factory.django.DjangoModelFactory):
    """The row of a repository of which nothing is stored."""

    class Meta:
        model = Repository

    customer = factory.SubFactory(CustomerFactory)
    target = factory.SubFactory(StorageTargetFactory)


class StoredObjectFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = StoredObject

    target = factory.SubFactory(StorageTargetFactory)
    key = factory.Sequence(lambda number: f"backups/stored-{number}.tar.gz")
    backup_id = factory.LazyFunction(uuid.uuid4)


class AssetFactory(factory.django.DjangoModelFactory):
    """An asset of a plain target with the bytes `content`."""

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


class AssetExportFactory(factory.django.DjangoModelFactory):
    """A download of a snapshot that was made whole once."""

    class Meta:
        model = AssetExport

    asset = factory.SubFactory(AssetFactory)
    format = "tar.gz"
    edition = "1"
    size_bytes = 1
    sha256 = hashlib.sha256(b"1").hexdigest()
    points = b""


class BackupFactory(factory.django.DjangoModelFactory):
    """A ready backup; `creating=True`, `failed=True` and `restoring=True` create the other states."""

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


class OperationBackupFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = OperationBackup

    backup = factory.SubFactory(BackupFactory)
    operation = factory.SubFactory(OperationFactory, order=factory.SelfAttribute("..backup.order"))


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


class UsageSampleFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = UsageSample

    order = factory.SubFactory(OrderFactory)
    at = factory.Sequence(lambda number: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number))
    backups = 1
    logical_bytes = 100
    unique_bytes = 60
    stored_bytes = 80
