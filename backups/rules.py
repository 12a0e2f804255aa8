"""The rules for actions on backups. Services ask them before they write; pages ask them for the reason of a refusal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from functools import cached_property
from math import ceil
from typing import Final
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from backups.errors import (
    BackupLocked,
    BackupTooSoon,
    LimitReached,
    NothingToUndo,
    OperationInProgress,
    QuotaExceeded,
    SourceNotOffered,
    VolumesNotOffered,
)
from backups.models import Backup, BackupStatus
from backups.selectors import (
    Undoable,
    backups_counted,
    backups_unlocked,
    create_asked_newest,
    restore_undoable,
    volumes_made,
)
from backups.services.proof import whole_require
from backups.usage import UsedBytes, order_used
from common.errors import ApplicationError, PermissionDenied
from operations.errors import StatusConflict
from operations.models import Operation
from operations.rules import cancel_require
from operations.selectors import operation_active
from orders.errors import PlanHasNoBackups
from orders.models import BackupSource, Order
from orders.rights import ALL_RIGHTS, OrderRight, order_change_require, order_not_suspended, order_rights
from orders.selectors import order_promise
from provisions.models import Provision
from provisions.selectors import provisions_of, sidecar_among

ROTATING_MAX: Final = 3
"""So many backups above the limit may wait for their rotation: no more are begun until the newest was read back."""


class Rules:
    """The rules of one order for one caller; each `…_require` raises the first reason against the action.

    Rows are read on first need, and once: a service creates an instance under the order's lock, a page one for
    everything it shows. `user`: None for the product itself, which has every right. `seen`: operations of the order
    that were read just now; the active one is not read again when it is among them.
    """

    def __init__(self, *, user: User | None, order: Order, seen: Iterable[Operation] = ()) -> None:
        self._user = user
        self._order = order
        self._seen = seen
        self._counted: dict[UUID, int] = {}
        self._undoable: dict[UUID, Undoable | None] = {}
        self._unreachable: dict[UUID, ApplicationError | None] = {}

    @property
    def _person(self) -> User:
        if self._user is None:
            raise PermissionDenied  # only people take such an action
        return self._user

    @cached_property
    def rights(self) -> frozenset[OrderRight]:
        """The caller's rights on the order."""
        return ALL_RIGHTS if self._user is None else order_rights(self._user, self._order)

    @cached_property
    def active(self) -> Operation | None:
        """The operation that excludes others right now."""
        for operation in self._seen:
            if operation.is_live and operation.exclusive:
                return operation
        return operation_active(self._order)

    @cached_property
    def provisions(self) -> list[Provision]:
        """The provisions of the order, the primary one first."""
        return provisions_of(self._order)

    @cached_property
    def used(self) -> UsedBytes:
        """The bytes of the order's backups."""
        return order_used(self._order)

    def undoable(self, provision: Provision) -> Undoable | None:
        """The restore of a server that can be undone."""
        if provision.id not in self._undoable:
            self._undoable[provision.id] = restore_undoable(provision)
        return self._undoable[provision.id]

    def counted(self, provision: Provision) -> int:
        """How many backups of a server count towards the limit."""
        if provision.id not in self._counted:
            self._counted[provision.id] = backups_counted(provision)
        return self._counted[provision.id]

    def create_require(self, provision: Provision, *, rotates: bool = False) -> None:
        """Raise the first reason against a new backup of a server.

        In this order: PermissionDenied, OrderSuspended, PlanHasNoBackups, SourceNotOffered, NotAPrimaryDeployment,
        NoSidecar, OperationInProgress, BackupTooSoon, LimitReached, QuotaExceeded. rotates: at the limit, the oldest
        backup that may go makes room once the new one was read back; LimitReached is raised when all are locked, or
        `ROTATING_MAX` wait for that already. Until a plan's reduction takes effect its earlier limit holds.
        """
        self._right_require(OrderRight.CREATE)
        order_allows_source(self._order, BackupSource.FILES)
        self._new_work_require(provision)
        self.pause_require(provision)
        plan, limit = self._order.plan, self.backup_limit
        above = self.counted(provision) - limit
        if above >= 0 and not (rotates and above < ROTATING_MAX and backups_unlocked(provision).count() > above):
            raise LimitReached(limit=limit)
        if plan.byte_limit is not None and (used := self.used.counted(plan.byte_measure)) >= plan.byte_limit:
            raise QuotaExceeded(limit_bytes=plan.byte_limit, used_bytes=used)

    @cached_property
    def backup_limit(self) -> int:
        """How many backups of each server the order keeps now."""
        return order_promise(self._order).backup_limit

    def pause_require(self, provision: Provision) -> None:
        """Raise BackupTooSoon within the cool-down of the plan; staff and the product itself need not wait."""
        pause = timedelta(minutes=self._order.plan.cooldown_minutes)
        if self._user is None or not pause or self._user.has_perm("orders.view_all_orders"):
            return
        newest = create_asked_newest(provision, since=timezone.now() - pause)
        if newest is not None:
            raise BackupTooSoon(minutes=ceil((newest + pause - timezone.now()) / timedelta(minutes=1)))

    def estimate_require(self, provision: Provision) -> bool:
        """Raise the errors of a create, except those of a limit and of an operation in progress.

        Return whether the estimate may name files.
        """
        self._right_require(OrderRight.CREATE)
        order_allows_backups(self._order)
        self._reach_require(provision)
        return self.may_read

    def restore_require(self, backup: Backup, provision: Provision, *, paths: Collection[bytes] = ()) -> None:
        """Raise the errors of a create except the limit, StatusConflict unless the backup is ready, and
        ArchiveDamagedError when files of it are known to be damaged, at or below the chosen paths if there are any.
        """
        self._exchange_require(backup, provision)
        whole_require(backup, paths)

    def volume_require(self, backup: Backup, *, paths: Collection[bytes] = ()) -> None:
        """Raise the errors of a restore onto the backup's own server, VolumesNotOffered, and LimitReached."""
        self.restore_require(backup, backup.provision, paths=paths)
        if not self.volumes_offered:
            raise VolumesNotOffered
        limit = self._order.plan.volume_limit
        if volumes_made(self.provisions) >= limit:
            raise LimitReached(volumes=limit)

    @property
    def volumes_offered(self) -> bool:
        """Whether the plan has new volumes, and the sidecar of the order's server makes them, as far as it has said."""
        return self._order.plan.volume_limit > 0 and any(part.can_make_volumes for part in self.provisions)

    def undo_require(self, backup: Backup, provision: Provision) -> Backup:
        """Return the safety backup that undoes the last restore of a backup.

        Raises as `restore_require`, of the safety backup where it is about damage, and NothingToUndo.
        """
        self._exchange_require(backup, provision)
        undoable = self.undoable(provision)
        if undoable is None or undoable.backup_id != backup.id:
            raise NothingToUndo
        whole_require(undoable.source)
        return undoable.source

    def _exchange_require(self, backup: Backup, provision: Provision) -> None:
        self._right_require(OrderRight.RESTORE)
        self._new_work_require(provision)
        if backup.status != BackupStatus.READY:
            raise StatusConflict(status=backup.get_status_display())

    def preview_require(self) -> bool:
        """Raise PermissionDenied when the caller may not restore. Return whether the preview may name files."""
        self._right_require(OrderRight.RESTORE)
        return self.may_read

    @property
    def may_read(self) -> bool:
        """Whether the caller may see the data, including the names of its files."""
        return OrderRight.DOWNLOAD in self.rights

    def read_require(self) -> None:
        """Raise PermissionDenied when the caller may not see the data."""
        self._right_require(OrderRight.DOWNLOAD)

    def update_require(self) -> None:
        """Raise PermissionDenied, OrderSuspended when the caller may not rename and lock."""
        # The right to delete a backup includes its name and its lock; the right to create backups does not.
        self._right_require(OrderRight.DELETE)
        order_change_require(self._person, self._order)

    def delete_require(self, backup: Backup) -> None:
        """Raise PermissionDenied, OrderSuspended, BackupLocked, StatusConflict."""
        self.update_require()
        if backup.locked:
            raise BackupLocked
        if backup.status in (BackupStatus.CREATING, BackupStatus.RESTORING):
            raise StatusConflict(status=backup.get_status_display())

    def verify_require(self, backup: Backup) -> None:
        """Raise PermissionDenied, OrderSuspended, and StatusConflict when nothing is stored that could be verified."""
        self._right_require(OrderRight.CREATE)
        order_change_require(self._person, self._order)
        if backup.asset_id is None:
            raise StatusConflict(status=backup.get_status_display())

    def download_require(self, backup: Backup) -> None:
        """Raise PermissionDenied, and StatusConflict when there is nothing to download."""
        self._right_require(OrderRight.DOWNLOAD)
        if backup.asset_id is None:
            raise StatusConflict(status=backup.get_status_display())

    def cancel_require(self, operation: Operation) -> None:
        """Raise StatusConflict when it is over or cannot stop half way, PermissionDenied, OrderSuspended."""
        if operation.order_id == self._order.id:
            operation.order = self._order
        cancel_require(user=self._person, operation=operation, rights=self.rights)

    def _right_require(self, right: OrderRight) -> None:
        if right not in self.rights:
            raise PermissionDenied

    def _new_work_require(self, provision: Provision) -> None:
        order_allows_backups(self._order)
        self._reach_require(provision)
        if self.active is not None:
            raise OperationInProgress(operation=str(self.active.id))

    def _reach_require(self, provision: Provision) -> None:
        if provision.id not in self._unreachable:
            self._unreachable[provision.id] = refusal(lambda: sidecar_among(self.provisions, provision))
        if (unreachable := self._unreachable[provision.id]) is not None:
            raise unreachable


def order_allows_backups(order: Order) -> None:
    """Raise OrderSuspended or PlanHasNoBackups when this order takes no new work from any caller."""
    order_not_suspended(order)
    if not order.plan.has_backups:
        raise PlanHasNoBackups


def order_allows_source(order: Order, source: str) -> None:
    """Raise as `order_allows_backups`, and SourceNotOffered when the plan does not back up this source."""
    order_allows_backups(order)
    if order.plan.sources and source not in order.plan.sources:
        raise SourceNotOffered


def refusal(check: Callable[[], object]) -> ApplicationError | None:
    """The error that a check raises, or None when it passes."""
    try:
        check()
    except ApplicationError as error:
        return error
    return None
