"""One action on several backups: one transaction each, and a result for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.core.exceptions import ValidationError as Invalid
from django.db.models import QuerySet

from accounts.models import User
from backups.errors import BackupNotFound
from backups.labels import tags_clean
from backups.models import Backup
from backups.rules import Rules
from backups.services.backups import backup_delete, backup_update
from common.errors import ApplicationError, ValidationError
from orders.models import Order

BULK_MAX = 200
"""So many backups can be chosen at once."""


class BulkAction(StrEnum):
    """What is done with each backup. Tags are added to those that it has."""

    DELETE = "delete"
    LOCK = "lock"
    UNLOCK = "unlock"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The result for one backup. backup: None where there is none with this id. error: None when it was done."""

    id: UUID
    backup: Backup | None
    error: ApplicationError | None


def backups_bulk(
    *,
    user: User,
    order: Order,
    backups: QuerySet[Backup],
    ids: Sequence[UUID],
    action: BulkAction,
    tags: Sequence[str] = (),
) -> list[BulkResult]:
    """Do one thing with several of `backups`, which the caller was found to see; an id is taken once.

    Each is decided alone: a refusal of one is its result, and changes nothing about the others. Raises PermissionDenied
    and OrderSuspended before the first one.
    """
    Rules(user=user, order=order).update_require()
    found = {backup.id: backup for backup in backups.filter(id__in=ids)}
    return [_done(user, backup_id, found.get(backup_id), action, tags) for backup_id in dict.fromkeys(ids)]


def _done(user: User, backup_id: UUID, backup: Backup | None, action: BulkAction, tags: Sequence[str]) -> BulkResult:
    try:
        if backup is None:
            raise BackupNotFound
        _ACTIONS[action](user, backup, tags)
    except ApplicationError as error:
        return BulkResult(backup_id, backup, error)
    return BulkResult(backup_id, backup, None)


def _tag(user: User, backup: Backup, tags: Sequence[str]) -> None:
    try:
        together = tags_clean([*backup.tags, *tags])
    except Invalid as error:
        raise ValidationError(errors={"tags": error.messages}) from None
    backup_update(user=user, backup=backup, tags=together)


def _lock(user: User, backup: Backup, _tags: Sequence[str]) -> None:
    backup_update(user=user, backup=backup, locked=True)


def _unlock(user: User, backup: Backup, _tags: Sequence[str]) -> None:
    backup_update(user=user, backup=backup, locked=False)


def _delete(user: User, backup: Backup, _tags: Sequence[str]) -> None:
    backup_delete(user=user, backup=backup)


_ACTIONS: Mapping[BulkAction, Callable[[User, Backup, Sequence[str]], None]] = {
    BulkAction.DELETE: _delete,
    BulkAction.LOCK: _lock,
    BulkAction.UNLOCK: _unlock,
    BulkAction.TAG: _tag,
}
