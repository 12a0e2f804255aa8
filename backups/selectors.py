"""Reads of backups, scoped to the caller."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery, UUIDField

from accounts.models import User
from backups import kinds
from backups.errors import AssetNotFound, BackupNotFound
from backups.models import Backup, BackupStatus, OperationBackup, OperationRole
from operations.models import LIVE_STATES, ExchangeState, Operation, OperationState
from orders.models import Order
from orders.rights import OrderRight, order_rights, orders_visible, right_require
from provisions.models import Provision, ProvisionKind
from provisions.selectors import provision_get
from vault.models import Asset

LISTED = Q(deleted_at__isnull=True) & ~Q(is_safety=True, status=BackupStatus.CREATING)
"""The backups that a customer sees: no deleted ones, and safety backups only once they are complete."""
COUNTED = Q(deleted_at__isnull=True, is_safety=False) & ~Q(status=BackupStatus.FAILED)
"""Backups that count towards the limit of a plan: all but failed, safety and deleted ones."""

RESTORABLE = Q(
    deleted_at__isnull=True,
    status__in=[BackupStatus.READY, BackupStatus.RESTORING],
    is_safety=False,
    provision__is_primary=True,
)
"""A backup of the order's present server that a user requested, not a safety backup."""
WHOLE = Q(degraded=False, collapsed=False)
"""A backup without a known fault: it is not damaged, and its server had not lost its files."""
GOOD = RESTORABLE & WHOLE
"""A good backup, from which its server can be restored.

Only good ones make an order protected, and any deletion by age or number keeps the newest of them.
"""

OPERATIONS_SHOWN = 50


def backups_of(*, user: User, order_id: UUID, provision_id: UUID) -> QuerySet[Backup]:
    """The backups of a server that are listed, in no order. Raises OrderNotFound, ProvisionNotFound."""
    provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
    return Backup.objects.filter(LISTED, provision=provision).select_related("asset", "operation")


def backup_get(*, user: User, order_id: UUID, provision_id: UUID, backup_id: UUID) -> Backup:
    """One listed backup. Raises OrderNotFound, ProvisionNotFound, BackupNotFound."""
    backup = backups_of(user=user, order_id=order_id, provision_id=provision_id).filter(id=backup_id).first()
    if backup is None:
        raise BackupNotFound
    return backup


@dataclass(frozen=True, slots=True)
class Undoable:
    """A restore that can be undone: its backup, its safety backup, and its end."""

    backup_id: UUID
    source: Backup
    finished_at: datetime


def restore_undoable(provision: Provision) -> Undoable | None:
    """The newest restore of a server from a backup of its own, while its safety backup is usable; None when an undo, or
    a restore from elsewhere, came after it.

    One that failed counts too, where its exchange was completed all the same, or never ended.
    """
    subjects = OperationBackup.objects.filter(operation=OuterRef("pk"), role=OperationRole.SUBJECT)
    touched = Q(state=OperationState.SUCCEEDED) | Q(exchange__in=[ExchangeState.DONE, ExchangeState.UNENDED])
    exchanged = Operation.objects.filter(
        touched, kind__in=kinds.EXCHANGES, finished_at__isnull=False, order=provision.order_id, server_id=provision.id
    ).annotate(subject=Subquery(subjects.values("backup")[:1], output_field=UUIDField()))
    newest = exchanged.order_by("-finished_at").first()
    if newest is None or newest.kind != kinds.RESTORE.name or newest.finished_at is None or not newest.subject:
        return None
    if not Backup.objects.filter(id=newest.subject, provision=provision).exists():
        return None  # a backup of another server: the safety backup is in this one's list, and is restored from there
    safety = Backup.objects.filter(
        LISTED, status=BackupStatus.READY, roles__operation=newest, roles__role=OperationRole.SAFETY
    ).first()
    if safety is None:
        return None
    return Undoable(backup_id=newest.subject, source=safety, finished_at=newest.finished_at)


def volumes_made(provisions: Iterable[Provision]) -> int:
    """How many of these provisions are volumes that restores made."""
    volumes = [provision.id for provision in provisions if provision.kind == ProvisionKind.VOLUME]
    return Operation.objects.filter(volume_id__in=volumes).count() if volumes else 0


def asset_get(*, user: User, asset_id: UUID) -> Asset:
    """The asset of a listed backup the caller may download. Raises AssetNotFound, PermissionDenied."""
    visible = Backup.objects.filter(asset_id=asset_id, deleted_at__isnull=True, order__in=orders_visible(user))
    backup = visible.select_related("asset__target", "asset__customer", "order__customer").first()
    if backup is None or backup.asset is None:
        raise AssetNotFound
    right_require(user, backup.order, OrderRight.DOWNLOAD)
    return backup.asset


def backups_last_good(backup: Backup, *, count: int) -> list[Backup]:
    """The newest good backups of the same source of the same server, other than this one, the newest first."""
    return list(_newest_good(backup.provision_id, source=backup.source).exclude(id=backup.id)[:count])


def backup_newest_good(provision: Provision) -> Backup | None:
    """The newest good backup of the files of a server."""
    return _newest_good(provision.id, source="files").first()


def _newest_good(provision_id: UUID, *, source: str) -> QuerySet[Backup]:
    return Backup.objects.filter(GOOD, provision=provision_id, source=source).order_by("-completed_at")


def order_proven_at(order: Order) -> datetime | None:
    """When a good backup of an order was last restored for a test."""
    found: datetime | None = Backup.objects.filter(GOOD, order=order).aggregate(at=Max("proven_at"))["at"]
    return found


def asset_readable(*, user: User, asset_id: UUID) -> bool:
    """Whether the caller may go on with a download that began: deleting the backup meanwhile does not take it away."""
    visible = Backup.objects.filter(asset_id=asset_id, order__in=orders_visible(user))
    backup = visible.select_related("order__customer").first()
    return backup is not None and OrderRight.DOWNLOAD in order_rights(user, backup.order)


def backups_counted(provision: Provision) -> int:
    """How many backups of a server count towards the plan's limit."""
    return Backup.objects.filter(COUNTED, provision=provision).count()


def create_asked_newest(provision: Provision, *, since: datetime) -> datetime | None:
    """When the newest backup of a server was begun that a person asked for after a time, failed ones apart.

    One that was deleted meanwhile counts too.
    """
    elsewhere = OperationBackup.objects.filter(operation=OuterRef("pk")).exclude(backup__provision=provision)
    asked = Operation.objects.filter(
        ~Exists(elsewhere),
        order=provision.order_id,
        kind=kinds.CREATE.name,
        requested_by__isnull=False,
        created_at__gt=since,
    ).exclude(state__in=[OperationState.FAILED, OperationState.CANCELLED])
    return asked.order_by("-created_at").values_list("created_at", flat=True).first()


def backups_unlocked(provision: Provision) -> QuerySet[Backup]:
    """The ready backups of a server that count towards the limit and are not locked."""
    return Backup.objects.filter(COUNTED, provision=provision, locked=False, status=BackupStatus.READY)


def backups_of_order(order: Order) -> QuerySet[Backup]:
    """The listed backups of an order that the caller was found to see, in no order."""
    return Backup.objects.filter(LISTED, order=order).select_related("operation")


def order_backup_get(*, order: Order, backup_id: UUID) -> Backup:
    """One listed backup of an order that the caller was found to see. Raises BackupNotFound."""
    backup = backups_of_order(order).select_related("asset", "provision").filter(id=backup_id).first()
    if backup is None:
        raise BackupNotFound
    backup.order = backup.provision.order = order
    return backup


def operations_of(backup: Backup) -> list[tuple[Operation, str]]:
    """The operations on a backup, newest first, each with its requester and the role of the backup."""
    rows = OperationBackup.objects.filter(backup=backup).select_related("operation__requested_by")
    newest = rows.order_by("-operation__created_at", "-operation_id")[:OPERATIONS_SHOWN]
    return [(row.operation, row.role) for row in newest]


def operations_ended(*, order: Order, ids: Collection[UUID]) -> list[tuple[Operation, Backup | None]]:
    """The operations of an order that are over, the oldest end first; each with its subject unless that was deleted."""
    if not ids:
        return []
    ended = Operation.objects.filter(id__in=ids, order=order).exclude(state__in=LIVE_STATES).order_by("finished_at")
    roles = OperationBackup.objects.filter(
        operation__in=ended, role=OperationRole.SUBJECT, backup__deleted_at__isnull=True
    ).select_related("backup__provision")
    subjects = {role.operation_id: role.backup for role in roles}
    for backup in subjects.values():
        if backup.order_id == order.id:  # else a backup of another order, which was restored onto this one's server
            backup.order = backup.provision.order = order
    return [(operation, subjects.get(operation.id)) for operation in ended]


def backup_names(ids: Collection[UUID]) -> dict[UUID | None, str]:
    """The names of backups by their ids, and by the ids of operations on them; deleted backups are missing."""
    names: dict[UUID | None, str] = dict(Backup.objects.filter(id__in=ids).values_list("id", "name"))
    about = Operation.objects.filter(id__in=ids, roles__role=OperationRole.SUBJECT)
    names.update(about.values_list("id", "roles__backup__name"))
    return names
