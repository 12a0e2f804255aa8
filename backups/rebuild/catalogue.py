"""The rows of what was found in a target. Rows that exist are left as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import Customer
from accounts.services.customers import customer_restore
from backups.formats.download import CONTENT_TYPES
from backups.formats.snapshot import CONTENT_TYPE as SNAPSHOT_TYPE
from backups.models import Backup, BackupStatus
from backups.rebuild.bucket import Found, Tenant
from orders.models import BackupFormat, Order, Plan
from provisions.models import Provision, ProvisionKind
from repository.archive.object_keys import archive_format
from vault.models import Asset, Repository, StorageTarget, StoredObject
from vault.services.keys import data_key_restore
from wire.enums import Consistency

PLAN = "Rebuilt"
LIMIT = 10_000
"""The limit of the plan of rebuilt orders: none of their backups may be one too many."""


@dataclass(slots=True)
class Counts:
    """The rows that were made, and the backups that were known already or are being deleted."""

    tenants: int = 0
    orders: int = 0
    provisions: int = 0
    repositories: int = 0
    archives: int = 0
    snapshots: int = 0
    known: int = 0
    deleted: int = 0


@dataclass(slots=True)
class Catalogue:
    """Writes the rows of one target. named: of what time the name is that a row made here has."""

    target: StorageTarget
    counts: Counts = field(default_factory=Counts)
    named: dict[UUID, datetime] = field(default_factory=dict)

    def tenant(self, tenant: Tenant) -> None:
        """Make a customer with the keys of its copy. Its name comes with its backups."""
        with transaction.atomic():
            made = customer_restore(customer_id=tenant.copy.tenant, tenant_key=tenant.copy.tenant_key)
            self.counts.tenants += made
            data_key_restore(
                customer_id=tenant.copy.tenant,
                target=self.target,
                wrapped=tenant.copy.data_key,
                copied_version=tenant.copy.kek,
            )
        if made:
            self.named[tenant.copy.tenant] = datetime.min.replace(tzinfo=timezone.get_default_timezone())

    def repository(self, tenant: UUID, repository: UUID) -> bool:
        """Make the row of a repository under its old id; return False when its customer has another one here."""
        row, made = Repository.objects.get_or_create(
            customer_id=tenant, target=self.target, defaults={"id": repository}
        )
        self.counts.repositories += made
        return row.id == repository

    def backup(self, found: Found) -> bool:
        """Make the rows of a backup; return False for one whose order or server is another customer's."""
        with transaction.atomic():
            if self._is_known(found):
                return True
            order = self._order(found)
            provision = self._provision(found) if order is not None else None
            if order is None or provision is None:
                return False
            self._stored(found, order, provision)
        return True

    def primaries_choose(self) -> None:
        """Make the server of the newest backup the primary one, of each order that was made here."""
        for order in Order.objects.filter(id__in=self.named).exclude(provisions__is_primary=True):
            newest = Backup.objects.filter(order=order).order_by("-created_at").first()
            if newest is not None:
                Provision.objects.filter(id=newest.provision_id).update(is_primary=True)

    def _is_known(self, found: Found) -> bool:
        if StoredObject.objects.filter(target=self.target, key=found.key, condemned_at__isnull=False).exists():
            self.counts.deleted += 1
            return True
        current = Backup.objects.select_related("asset").filter(id=found.backup).first()
        if current is None:
            return False
        if _is_earlier(current, found):
            self._forget(current)
            return False
        self.counts.known += 1
        return True

    def _forget(self, backup: Backup) -> None:
        """Two attempts at one backup became whole, and the later one was listed: take the earlier one's rows back."""
        asset = backup.asset
        backup.delete()
        if asset is not None:
            StoredObject.objects.filter(target=self.target, key=asset.key).delete()
            asset.delete()
            self._count(asset, -1)

    def _count(self, asset: Asset, number: int) -> None:
        if asset.repository_id is None:
            self.counts.archives += number
        else:
            self.counts.snapshots += number

    def _order(self, found: Found) -> Order | None:
        if self._is_newer(found.tenant, found):
            Customer.objects.filter(id=found.tenant).update(name=found.tenant_name[:200])
        order = Order.objects.filter(id=found.order).first()
        if order is None:
            plan, _ = Plan.objects.get_or_create(name=PLAN, defaults={"backup_limit": LIMIT})
            order = Order.objects.create(id=found.order, customer_id=found.tenant, plan=plan, name=found.order_name)
            self.counts.orders += 1
            self.named[order.id] = found.created_at
        elif self._is_newer(order.id, found):
            Order.objects.filter(id=order.id).update(name=found.order_name)
        return order if order.customer_id == found.tenant else None

    def _provision(self, found: Found) -> Provision | None:
        provision = Provision.objects.filter(id=found.provision).first()
        if provision is None:
            provision = Provision.objects.create(
                id=found.provision, order_id=found.order, kind=ProvisionKind.DEPLOYMENT, name=found.provision_name
            )
            self.counts.provisions += 1
            self.named[provision.id] = found.created_at
        elif self._is_newer(provision.id, found):
            Provision.objects.filter(id=provision.id).update(name=found.provision_name)
        return provision if provision.order_id == found.order else None

    def _is_newer(self, row: UUID, found: Found) -> bool:
        """Whether a row that was made here has its name of an older backup; the newest name stays."""
        if row not in self.named or self.named[row] > found.created_at:
            return False
        self.named[row] = found.created_at
        return True

    def _stored(self, found: Found, order: Order, provision: Provision) -> None:
        is_archive = found.repository is None
        asset = Asset.objects.create(
            customer_id=found.tenant,
            target=self.target,
            key=found.key,
            repository_id=found.repository,
            sealed=found.sealed,
            size_bytes=found.size_bytes if is_archive else None,
            sha256=found.sha256,
            stored_bytes=found.stored_bytes,
            content_type=CONTENT_TYPES[archive_format(found.key)] if is_archive else SNAPSHOT_TYPE,
        )
        StoredObject.objects.get_or_create(target=self.target, key=found.key, defaults={"backup_id": found.backup})
        hours = order.plan.safety_hours
        Backup.objects.create(
            id=found.backup,
            order=order,
            provision=provision,
            name=found.backup_name,
            status=BackupStatus.READY,
            asset=asset,
            format=BackupFormat.ARCHIVE if is_archive else BackupFormat.REPOSITORY,
            size_bytes=found.size_bytes,
            added_bytes=found.added_bytes,
            listing_bytes=found.listing_bytes,
            entries=found.entries,
            content_bytes=found.content_bytes,
            source=found.source,
            consistency=str(Consistency(found.consistency)),
            warnings_total=found.warnings,
            read_whole=found.read_whole,
            is_safety=found.is_safety,
            # Counted from now: it was made for the case that something goes wrong.
            expires_at=timezone.now() + timedelta(hours=hours) if found.is_safety else None,
            completed_at=found.completed_at,
        )
        Backup.objects.filter(id=found.backup).update(created_at=found.created_at)
        self._count(asset, 1)


def _is_earlier(backup: Backup, found: Found) -> bool:
    """Whether a backup was brought back from an earlier attempt than this one: only such ones have no operation."""
    asset, completed = backup.asset, backup.completed_at
    if backup.operation_id is not None or asset is None or completed is None:
        return False
    return completed < found.completed_at and asset.key != found.key
