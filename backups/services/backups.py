"""Actions of customers on backups: create, rename, lock, delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.services.audit import audit_record
from backups import kinds
from backups.errors import BackupNotFound, OperationInProgress
from backups.models import Backup, BackupStatus
from backups.rules import Rules, refusal
from backups.selectors import backup_get
from backups.services.deletion import deletion_start
from backups.services.formats import format_choose
from backups.services.roles import backup_work_start
from common.idempotency import IdempotencyKey, idempotency_find, idempotency_store, idempotent
from common.locks import row_lock
from common.states import compare_and_set
from operations.errors import StatusConflict
from operations.selectors import operation_active
from orders.models import BackupFormat, Order
from orders.patterns import patterns_validate
from orders.services.orders import order_lock
from provisions.rules import patterns_require
from provisions.selectors import provision_get, provision_of


def backup_create(  # noqa: PLR0913  # everything that a backup can be asked for
    *,
    user: User | None,
    order_id: UUID,
    provision_id: UUID,
    name: str | None,
    format_wanted: BackupFormat | None = None,
    exclude: Sequence[str] = (),
    notes: str = "",
    tags: Sequence[str] = (),
    only_if_changed: bool = False,
    schedule: UUID | None = None,
    rotates: bool = False,
    asked_by: User | None = None,
    idempotency: IdempotencyKey | None,
) -> Backup:
    """Begin a backup of a server and return it as `creating`; the work runs in the background.

    user: None for the product itself. exclude: patterns of files to leave out of this backup, besides those of the
    server and the plan. only_if_changed: the operation succeeds without a backup when nothing has changed since the
    newest good one. schedule: the schedule that asks. rotates: at the limit, the backup begins where an older one can
    go for it. asked_by: the person who had the product act.

    Raises, in this order: OrderNotFound, ProvisionNotFound, PermissionDenied, OrderSuspended, PlanHasNoBackups,
    SourceNotOffered, NotAPrimaryDeployment, NoSidecar, OperationInProgress, BackupTooSoon, LimitReached, QuotaExceeded,
    PatternsForbidden, and ValidationError for an impossible pattern, or a format that the plan does not offer or the
    storage cannot hold; before all rules IdempotencyKeyReused.
    """

    def make() -> Backup:
        if user is None:
            provision = provision_of(order_id=order_id, provision_id=provision_id)
        else:
            provision = provision_get(user=user, order_id=order_id, provision_id=provision_id)
        order = order_lock(order_id)
        Rules(user=user, order=order).create_require(provision, rotates=rotates)
        if exclude:
            if user is not None:
                patterns_require(user=user, order=order)
            patterns_validate(exclude)
        backup = Backup.objects.create(
            order=order,
            provision=provision,
            name=name or default_name(user),
            format=format_choose(order=order, wanted=format_wanted),
            exclude=list(exclude),
            notes=notes,
            tags=list(tags),
            schedule_id=schedule,
        )
        # Without a backup, because nothing has changed, the operation alone tells whose run it was.
        asked: dict[str, Any] = {} if schedule is None else {"schedule": str(schedule)}
        operation = backup_work_start(
            order=order,
            kind=kinds.CREATE,
            backup=backup,
            requested_by=user or asked_by,
            only_if_changed=only_if_changed,
            rotates=rotates,
            **asked,
        )
        idempotency_store(idempotency, object_id=backup.id)
        audit_record(
            actor=user or asked_by,
            action="backup.create",
            order_id=order.id,
            object_id=backup.id,
            operation=str(operation.id),
        )
        return backup

    if user is None:
        return _made(make, order_id=order_id)
    return idempotent(
        idempotency,
        find=lambda backup_id: backup_get(user=user, order_id=order_id, provision_id=provision_id, backup_id=backup_id),
        make=lambda: _made(make, order_id=order_id),
    )


def _made(make: Callable[[], Backup], *, order_id: UUID) -> Backup:
    try:
        with transaction.atomic():
            return make()
    except IntegrityError:
        # The database refused: another request was faster than our check.
        raise_if_active(order_id)
        raise


def backup_retry(*, user: User, backup: Backup, idempotency: IdempotencyKey | None) -> Backup:
    """Start a failed backup again, under its name and with its patterns.

    The failed one leaves the list if the caller may delete it. Raises StatusConflict when it did not fail, and as
    `backup_create`.
    """
    if backup.status != BackupStatus.FAILED and idempotency_find(idempotency) is None:
        raise StatusConflict(status=backup.get_status_display())
    again = backup_create(
        user=user,
        order_id=backup.order_id,
        provision_id=backup.provision_id,
        name=backup.name,
        exclude=backup.exclude,
        idempotency=idempotency,
    )
    if refusal(lambda: Rules(user=user, order=backup.order).delete_require(backup)) is None:
        with suppress(BackupNotFound):
            backup_delete(user=user, backup=backup)
    return again


def raise_if_active(order_id: UUID) -> None:
    """Raise OperationInProgress when an exclusive operation is active on the order."""
    order = Order.objects.filter(id=order_id).first()
    active = operation_active(order) if order else None
    if active is not None:
        raise OperationInProgress(operation=str(active.id))


def default_name(user: User | None) -> str:
    """“Backup” and the local date and time, in the language and time zone of the user."""
    return name_with_moment(gettext_lazy("Backup %(moment)s"), user=user)


def name_with_moment(text: str | Promise, *, user: User | None) -> str:
    """A name with the local date and time as its `moment`, in the language and time zone of the user."""
    with translation.override((user and user.language) or translation.get_language()):
        moment = date_format(timezone.localtime(timezone=_zone_of(user)), "Y-m-d H:i")
        return str(text % {"moment": moment})


def _zone_of(user: User | None) -> tzinfo:
    """The user's own time zone; without one that of their browser, if the request came from there."""
    try:
        return ZoneInfo(user.time_zone) if user and user.time_zone else timezone.get_current_timezone()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A zone that this machine does not know must not prevent a backup.
        return ZoneInfo("UTC")


def backup_update(
    *,
    user: User,
    backup: Backup,
    name: str | None = None,
    locked: bool | None = None,
    collapsed: bool | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
) -> Backup:
    """Rename a backup, lock it against deletion, say that its server was meant to be so small (`collapsed=False`), or
    replace its notes or its tags.

    None changes nothing. Raises PermissionDenied, BackupNotFound.
    """
    Rules(user=user, order=backup.order).update_require()
    wanted = {
        "name": name,
        "locked": locked,
        "collapsed": collapsed,
        "notes": notes,
        "tags": None if tags is None else list(tags),
    }
    values = {field: value for field, value in wanted.items() if value is not None}
    if values:
        with transaction.atomic():
            if not compare_and_set(Backup.objects.filter(id=backup.id, deleted_at__isnull=True), **values):
                raise BackupNotFound
            # The notes are the customer's, and may be long: the trail tells that they were changed.
            told = {field: value for field, value in values.items() if field != "notes"} | (
                {"notes": True} if "notes" in values else {}
            )
            audit_record(actor=user, action="backup.update", order_id=backup.order_id, object_id=backup.id, **told)
    current = Backup.objects.select_related("asset", "operation").filter(id=backup.id).first()
    if current is None:
        raise BackupNotFound
    return current


def backup_delete(*, user: User, backup: Backup) -> None:
    """Take a backup off every list at once; a worker then removes manifest, object, asset and row, until it is done.

    Raises PermissionDenied, BackupNotFound, BackupLocked, and StatusConflict while it is created or restored.
    """
    with transaction.atomic():
        order = order_lock(backup.order_id)
        current = row_lock(Backup.objects.filter(id=backup.id, deleted_at__isnull=True))
        if current is None:
            raise BackupNotFound
        Rules(user=user, order=order).delete_require(current)
        deletion_start(order=order, backup=current, user=user, action="backup.delete")
