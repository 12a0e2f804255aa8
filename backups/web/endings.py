"""Endings of operations, each told once to its waiting users: on the open page, else on the order's next page."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from backups import kinds
from backups.caution import backup_caution
from backups.models import Backup
from backups.rules import Rules, refusal
from backups.selectors import operations_ended
from backups.services.changes import UNCHANGED
from common.errors import error_detail
from common.names import names_isolated
from operations.kinds import kind_of
from operations.models import Operation, OperationState
from orders.models import Order

WATCH = "watch"
"""The key of the session's watched operations; in the address of a poll, of those that its page shows as live."""

WATCHED_MOST = 50

TONES = {
    OperationState.SUCCEEDED: ("ok", "check"),
    OperationState.FAILED: ("bad", "warning"),
    OperationState.CANCELLED: ("info", "stop"),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an operation ended. `undo` is the address of the way back, empty where there is none."""

    key: str
    tone: str
    icon: str
    title: str
    detail: str
    undo: str


def ending_await(session: SessionBase, operation: UUID) -> None:
    """Tell the end of an operation on the next page of its order, however soon it comes."""
    session[WATCH] = [*session.get(WATCH, []), str(operation)][-WATCHED_MOST:]


def endings_take(
    *, user: User, order: Order, session: SessionBase, live: Collection[UUID], asked: Iterable[str]
) -> tuple[Ending, ...]:
    """Return the endings that are new to the caller, oldest first, and watch the operations shown as live from now on.

    asked: operations that the open page still shows as live, so that each of several tabs is told.
    """
    watched = session.get(WATCH, [])
    shown = {str(operation) for operation in live}
    ended = operations_ended(order=order, ids=_ids({*watched, *asked} - shown))
    told = {str(operation.id) for operation, _backup in ended}
    left = [text for text in watched if text not in told]
    if left != watched or shown - set(left):
        session[WATCH] = [*left, *sorted(shown - set(left))][-WATCHED_MOST:]
    rules = Rules(user=user, order=order)
    found = (_ending(operation, backup, rules) for operation, backup in ended)
    return tuple(ending for ending in found if ending is not None)


def _ids(texts: Iterable[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found[:WATCHED_MOST]


def _ending(operation: Operation, backup: Backup | None, rules: Rules) -> Ending | None:
    kind, state = kind_of(operation), OperationState(operation.state)
    tone, icon = TONES[state]
    undo = ""
    if kind is kinds.REPROVISION:
        title = _("The reinstallation has ended.")
    elif operation.result.get(UNCHANGED):
        title = _("Nothing has changed since the last backup, so none was made.")
    elif backup is None:
        # The backup was deleted since, and its user knows that.
        return None
    else:
        sentence = kind.words.endings.get(state) or f"{kind.words.title}, {state.label}: “%(name)s”"
        title = names_isolated(str(sentence), name=backup.name)
        may_undo = kind is kinds.RESTORE and operation.volume_id is None
        if may_undo and refusal(lambda: rules.undo_require(backup, backup.provision)) is None:
            undo = reverse("page-backup-undo", kwargs={"order": operation.order_id, "backup": backup.id})
        if _found_damage(operation, backup):
            tone, icon = TONES[OperationState.FAILED]
    return Ending(
        key=str(operation.id), tone=tone, icon=icon, title=title, detail=_detail(operation, backup), undo=undo
    )


def _found_damage(operation: Operation, backup: Backup) -> bool:
    """Whether it is a verification that came to its end, of a backup that is damaged."""
    return (operation.kind, operation.state) == (kinds.VERIFY.name, OperationState.SUCCEEDED) and backup.degraded


def _detail(operation: Operation, backup: Backup | None) -> str:
    if operation.state == OperationState.CANCELLED:
        return _("Your server was not changed.")
    if operation.volume_id is not None and operation.state == OperationState.SUCCEEDED:
        return _("The files are in the new volume %(id)s.") % {"id": operation.volume_id}
    if operation.error_code:
        return error_detail(code=operation.error_code, params=operation.error_params)
    if backup is not None and _found_damage(operation, backup):
        return backup_caution(backup)
    return _warnings_detail(operation, backup)


def _warnings_detail(operation: Operation, backup: Backup | None) -> str:
    if stays := operation.warnings_total:
        return ngettext(
            "%(total)s file or folder stays as it was: it could not be restored.",
            "%(total)s files and folders stay as they were: they could not be restored.",
            stays,
        ) % {"total": stays}
    if operation.kind == kinds.CREATE.name and backup is not None and (count := backup.warnings_total):
        return ngettext("It has %(count)s warning.", "It has %(count)s warnings.", count) % {"count": count}
    return ""
