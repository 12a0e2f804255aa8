"""One backup as the pages show it: plain values, so that templates decide nothing and two versions can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from backups import kinds
from backups.caution import backup_caution
from backups.models import Backup, BackupStatus
from backups.rules import Rules, refusal
from backups.web.progress import OperationProgress, progress_of
from common.errors import ApplicationError, PermissionDenied, error_detail
from operations.kinds import WAITS, kind_of
from operations.models import Operation, OperationState
from provisions.models import Provision
from wire.enums import Consistency

LOOKS = {
    BackupStatus.CREATING: ("busy", "clock"),
    BackupStatus.READY: ("ok", "check"),
    BackupStatus.FAILED: ("bad", "cross"),
    BackupStatus.RESTORING: ("busy", "restore"),
}
"""Tone and icon of each status: never colour alone."""

CONSISTENCIES: Mapping[str, str | Promise] = {
    Consistency.QUIESCED: gettext_lazy("Saved by the game first"),
    Consistency.STOPPED: gettext_lazy("Server was stopped"),
    Consistency.LIVE: gettext_lazy("Taken while running"),
}
SOURCES = {"files": pgettext_lazy("source of a backup", "Files")}


@dataclass(frozen=True, slots=True)
class Badge:
    """A small fact: an icon, its words, and the time it speaks of, if any."""

    icon: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """An action. `refused` is the reason why it is impossible now; empty when it is possible."""

    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRow:
    """A backup. `actions` holds those that make sense in its status and that the caller has the right to."""

    id: UUID
    order_id: UUID
    name: str
    status: str
    label: str
    tone: str
    icon: str
    size_bytes: int | None
    created_at: datetime
    completed_at: datetime | None
    locked: bool
    asset_id: UUID | None
    operation_id: UUID | None
    marks: tuple[Badge, ...]
    tags: tuple[str, ...]
    problem_title: str
    problem: str
    caution: str
    collapsed: bool
    progress: OperationProgress | None
    actions: dict[str, Action]

    @property
    def may_accept(self) -> bool:
        """Whether the caller may confirm that the server was meant to be so small."""
        return self.collapsed and "rename" in self.actions and not self.actions["rename"].refused

    @property
    def key(self) -> str:
        """The id as text, for the ids of elements."""
        return str(self.id)


def row_of(backup: Backup, *, rules: Rules, provision: Provision | None) -> BackupRow:
    """The row of a backup; `provision` is its server, None for one that is not the primary any more."""
    label, tone, icon = _look(backup)
    problem_title, problem = _problem(backup.operation)
    return BackupRow(
        id=backup.id,
        order_id=backup.order_id,
        name=backup.name,
        status=backup.status,
        label=label,
        tone=tone,
        icon=icon,
        size_bytes=backup.size_bytes,
        created_at=backup.created_at,
        completed_at=backup.completed_at,
        locked=backup.locked,
        asset_id=backup.asset_id,
        operation_id=backup.operation_id,
        marks=tuple(_marks(backup)),
        tags=tuple(backup.tags),
        problem_title=problem_title,
        problem=problem,
        caution=backup_caution(backup),
        collapsed=backup.collapsed,
        progress=progress_of(backup.operation),
        actions=_actions(backup, rules=rules, provision=provision),
    )


def _look(backup: Backup) -> tuple[str, str, str]:
    """Label, tone and icon: an unreliable backup never looks like a reliable one."""
    status = BackupStatus(backup.status)
    tone, icon = LOOKS[status]
    if status == BackupStatus.READY and backup.degraded:
        return pgettext("state of a backup", "Damaged"), "bad", "warning"
    if status == BackupStatus.READY and backup.collapsed:
        return str(status.label), "warn", "warning"
    return str(status.label), tone, icon


def why_not(error: ApplicationError, active: Operation | None) -> str:
    """A refusal in words for a page. It names an operation in progress by its kind instead of its id."""
    if error.code != "operation_in_progress":
        return error.detail
    if active and active.expires_at:
        until = formats.time_format(timezone.localtime(active.expires_at))
        return _("The server is being reinstalled, until %(time)s at the latest. Backups and restores wait for it.") % {
            "time": until
        }
    # It may have ended since the refusal.
    return str(kind_of(active).words.waits if active else WAITS)


def _problem(operation: Operation | None) -> tuple[str, str]:
    """The error of the newest operation, when it did not succeed."""
    if operation is None or not operation.error_code:
        return "", ""
    detail = error_detail(code=operation.error_code, params=operation.error_params)
    problems = kind_of(operation).words.problems or kinds.CREATE.words.problems
    return str(problems[OperationState(operation.state)]), detail


def _marks(backup: Backup) -> Iterator[Badge]:
    """The small facts, the gravest first."""
    yield from _against(backup)
    if backup.locked:
        yield Badge("lock", pgettext("state of a backup", "Locked"))
    if backup.is_safety:
        kept = backup.expires_at if not backup.locked else None
        yield Badge("shield", _("Safety backup, goes") if kept else _("Safety backup"), kept)
    yield from _origin(backup)
    if backup.proven_at and not backup.degraded:
        yield Badge("restore", pgettext("state of a backup", "Restored in a test"), backup.proven_at)
    elif backup.verified_at and not backup.degraded:
        yield Badge("shield", pgettext("state of a backup", "Verified"), backup.verified_at)
    operation = backup.operation
    if operation and (operation.kind, operation.state) == (kinds.RESTORE.name, OperationState.SUCCEEDED):
        onto_server = pgettext("state of a backup", "Restored")
        into_volume = pgettext("state of a backup", "Restored into a new volume")
        yield Badge("restore", into_volume if operation.volume_id else onto_server, operation.finished_at)
    if operation and (operation.kind, operation.state) == (kinds.UNDO.name, OperationState.SUCCEEDED):
        yield Badge("undo", pgettext("state of a backup", "Restore undone"), operation.finished_at)


def _against(backup: Backup) -> Iterator[Badge]:
    if backup.degraded and backup.status != BackupStatus.READY:
        yield Badge("warning", pgettext("state of a backup", "Damaged"))
    if backup.collapsed:
        yield Badge("warning", pgettext("state of a backup", "Server had lost its files"))
    if total := backup.warnings_total:
        yield Badge("warning", ngettext("%(count)d warning", "%(count)d warnings", total) % {"count": total})


def _origin(backup: Backup) -> Iterator[Badge]:
    if backup.source in SOURCES:
        yield Badge("file", str(SOURCES[backup.source]))
    if said := CONSISTENCIES.get(backup.consistency or ""):
        yield Badge("server", str(said))


def _actions(backup: Backup, *, rules: Rules, provision: Provision | None) -> dict[str, Action]:
    """The actions in the order in which they are shown."""
    actions = {}
    for name, check in _checks(backup, rules=rules, provision=provision):
        error = refusal(check)
        # An action that the user never may do is hidden; one that is impossible now is shown with the reason.
        if not isinstance(error, PermissionDenied):
            actions[name] = Action(why_not(error, rules.active) if error else "")
    return actions


def _checks(backup: Backup, *, rules: Rules, provision: Provision | None) -> Iterator[tuple[str, Callable[[], object]]]:
    """The actions that fit the backup's status, each with the check that raises the reason against it."""
    operation = backup.operation
    if provision is not None:
        yield from _checks_of_server(backup, rules=rules, provision=provision)
    if operation is not None and operation.is_live and operation.cancel_requested_at is None:
        yield "cancel", lambda: rules.cancel_require(operation)
    if backup.asset_id is not None:
        yield "download", lambda: rules.download_require(backup)
        if not (operation is not None and operation.is_live and operation.kind == kinds.VERIFY.name):
            yield "verify", lambda: rules.verify_require(backup)
    yield "rename", rules.update_require
    yield "lock", rules.update_require
    if backup.status in (BackupStatus.READY, BackupStatus.FAILED):
        yield "delete", lambda: rules.delete_require(backup)


def _checks_of_server(
    backup: Backup, *, rules: Rules, provision: Provision
) -> Iterator[tuple[str, Callable[[], object]]]:
    if backup.status == BackupStatus.READY:
        yield "restore", lambda: rules.restore_require(backup, provision)
        if _may_be_undone(backup.operation) and _undoable(backup, rules=rules, provision=provision):
            yield "undo", lambda: rules.undo_require(backup, provision)
    if backup.status == BackupStatus.FAILED:
        yield "retry", lambda: rules.create_require(provision)


def _may_be_undone(operation: Operation | None) -> bool:
    """Whether the last operation on a backup was about its server's files, or verified it, decided without a query."""
    about = (*kinds.EXCHANGES, kinds.VERIFY.name)
    return operation is not None and operation.kind in about and not operation.is_live


def _undoable(backup: Backup, *, rules: Rules, provision: Provision) -> bool:
    undoable = rules.undoable(provision)
    return undoable is not None and undoable.backup_id == backup.id
