"""One backup with its history, as one value for its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from math import ceil
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from archives.formats import ArchiveFormat
from backups import kinds
from backups.models import Backup, BackupStatus, Depth, OperationRole
from backups.rules import Rules
from backups.selectors import operations_of
from backups.web.overview import live_of, poll_address
from backups.web.panels import rows_marked
from backups.web.rows import BackupRow, row_of
from common.errors import error_detail
from common.names import name_isolated
from operations.kinds import kind_of
from operations.models import Operation, OperationState
from orders.models import BackupFormat
from wire.enums import Consistency, Mode, WarningKind

LOOKS = {
    OperationState.QUEUED: ("busy", "clock"),
    OperationState.RUNNING: ("busy", "clock"),
    OperationState.SUCCEEDED: ("ok", "check"),
    OperationState.FAILED: ("bad", "cross"),
    OperationState.CANCELLED: ("plain", "stop"),
}
MODES: Mapping[str, str | Promise] = {
    Mode.OVERLAY: gettext_lazy("Files that the backup does not have were kept."),
    Mode.REPLACE: gettext_lazy("Files that the backup does not have were removed."),
}
WARNINGS: Mapping[str, str | Promise] = {
    WarningKind.CHANGED: gettext_lazy("Changed while it was read"),
    WarningKind.VANISHED: gettext_lazy("Gone before it was read"),
    WarningKind.UNREADABLE: gettext_lazy("Could not be read"),
    WarningKind.SKIPPED: gettext_lazy("Left out: not a file, a folder or a link"),
    WarningKind.MOUNTED: gettext_lazy("In the backup, but mounted from another volume: a restore leaves it as it is"),
    WarningKind.LINKED_OUT: gettext_lazy("The link is in the backup, the files outside that it leads to are not"),
    WarningKind.PATTERN: gettext_lazy("In the backup, but some of its lines are no patterns and leave out nothing"),
}
STAYS: Mapping[str, str | Promise] = {
    WarningKind.UNREADABLE: gettext_lazy("It cannot be read"),
    WarningKind.SKIPPED: gettext_lazy("It is not a file, a folder or a link"),
    WarningKind.LEFT_OUT: gettext_lazy("The backup did not take it"),
    WarningKind.HOLDS: gettext_lazy("It holds a file that stays"),
    WarningKind.MOUNTED: gettext_lazy("It is mounted from another volume"),
    WarningKind.LINKED_OUT: gettext_lazy("It is a link to a folder outside"),
    WarningKind.FIXED: gettext_lazy("It is protected from changes"),
    WarningKind.COMPANION: gettext_lazy("It belongs together with a file that stays"),
}
WARNINGS_SHOWN = 200
PROOFS: Mapping[str, str | Promise] = {
    Depth.SAMPLE: gettext_lazy("It is there and fits together. Part of its content was read."),
    Depth.STRUCTURE: gettext_lazy("It is there and fits together. Its content was not read."),
    Depth.SHARE: gettext_lazy("It is there and fits together. Part of its content was read."),
    Depth.DATA: gettext_lazy("All of its content was read, and it is whole."),
    Depth.RESTORE: gettext_lazy("It was restored for a test, and every file was right."),
}
CONSISTENCIES: Mapping[str, str | Promise] = {
    Consistency.QUIESCED: gettext_lazy("The game had saved everything and held still while the files were copied."),
    Consistency.STOPPED: gettext_lazy("The game server did not run while the files were copied."),
    Consistency.LIVE: gettext_lazy(
        "The game server ran while the files were copied. Files that it wrote meanwhile may be of different moments, "
        "and a database among them may not open."
    ),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the timeline."""

    tone: str
    icon: str
    title: str
    state: str
    who: str
    began_at: datetime
    took: timedelta | None
    note: str
    stays: int
    stays_named: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    """The files that patterns left out of the backup on purpose."""

    entries: int = 0
    bytes: int = 0
    patterns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """The newest verification: when, how long it took, and in words what was looked at and found.

    counted: may be empty. damaged: the first paths that are not right.
    """

    at: datetime
    ok: bool
    said: str
    counted: str
    took: timedelta
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Detail:
    """The content of a backup's page. Equal values look the same, apart from relative times."""

    row: BackupRow
    server: str
    notes: str
    sha256: str
    format: str
    added_bytes: int | None
    stored_bytes: int | None
    unique_bytes: int | None
    archives: tuple[str, ...]
    consistency: str
    took: timedelta | None
    events: tuple[Event, ...]
    warnings: tuple[tuple[str, str], ...]
    warnings_total: int
    excluded: Excluded
    damaged: tuple[tuple[str, str], ...]
    damaged_files: int
    proof: Proof | None
    live: tuple[UUID, ...]
    address: str
    browsable: bool

    @cached_property
    def version(self) -> str:
        """A digest of this value: a client that has it needs no update."""
        return blake2b(repr(self).encode(), digest_size=8).hexdigest()

    @property
    def active(self) -> bool:
        """Whether an operation is live, so that the page polls for its end."""
        return bool(self.live)

    @property
    def poll_address(self) -> str:
        """The polling address of the part, with the version that is shown."""
        return poll_address(self.address, version=self.version, live=self.live)

    @property
    def announcement(self) -> str:
        """The change in a sentence, for screen readers."""
        phase = self.row.progress.phase if self.row.progress else self.row.label
        return _("“%(name)s”: %(phase)s") % {"name": name_isolated(self.row.name), "phase": phase}


def detail_of(*, user: User, backup: Backup) -> Detail:
    """The detail of a backup that the caller was found to see."""
    rules = Rules(user=user, order=backup.order)
    damaged = backup.damaged or {}
    row = row_of(backup, rules=rules, provision=backup.provision if backup.provision.is_primary else None)
    (row,) = rows_marked(backup.order, [row])
    return Detail(
        row=row,
        server=backup.provision.name,
        notes=backup.notes,
        sha256=(backup.asset.sha256 if backup.asset else None) or "",
        format=str(BackupFormat(backup.format).label),
        added_bytes=backup.added_bytes,
        stored_bytes=backup.fair_bytes,
        unique_bytes=backup.unique_bytes,
        archives=tuple(map(str, ArchiveFormat)),
        consistency=str(CONSISTENCIES.get(backup.consistency or "", "")),
        took=backup.completed_at - backup.created_at if backup.completed_at else None,
        events=tuple(_event(operation, role, named=rules.may_read) for operation, role in operations_of(backup)),
        warnings=tuple(_warning(item) for item in backup.warnings[:WARNINGS_SHOWN]),
        warnings_total=backup.warnings_total,
        excluded=Excluded(**backup.excluded) if backup.excluded else Excluded(),
        damaged=tuple((found["reason"], found["path"]) for found in damaged.get("paths", [])),
        damaged_files=damaged.get("files") or 0,
        proof=_proof(backup.proof) if backup.proof else None,
        live=live_of(rules, [row]),
        address=reverse("page-backup-detail", kwargs={"order": backup.order_id, "backup": backup.id}),
        browsable=rules.may_read and backup.asset_id is not None,
    )


def _proof(stored: dict[str, Any]) -> Proof:
    files = stored["counted"].get("files", 0)
    return Proof(
        at=datetime.fromisoformat(stored["at"]),
        ok=stored["ok"],
        said=str(PROOFS[stored["depth"]]) if stored["ok"] else _("Damage was found."),
        counted=ngettext("%(count)s file was checked.", "%(count)s files were checked.", files) % {"count": files}
        if files
        else "",
        took=timedelta(seconds=ceil(stored["seconds"])),
        damaged=tuple(found["path"] for found in stored.get("damaged", []) if found["path"]),
    )


def _event(operation: Operation, role: str, *, named: bool) -> Event:
    tone, icon = LOOKS[OperationState(operation.state)]
    state = str(OperationState(operation.state).label)
    title, note = str(kind_of(operation).words.title), ""
    if role == OperationRole.SAFETY:
        # The restore belongs to another backup, whose page shows its outcome.
        tone, icon, title, state = (
            "ok",
            "shield",
            _("Kept before the data was exchanged"),
            str(BackupStatus.READY.label),
        )
    elif operation.error_code:
        note = error_detail(code=operation.error_code, params=operation.error_params)
    elif operation.volume_id is not None and operation.state == OperationState.SUCCEEDED:
        note = _("The files are in the new volume %(id)s.") % {"id": operation.volume_id}
    elif operation.kind == kinds.RESTORE.name and operation.state == OperationState.SUCCEEDED:
        note = str(MODES.get(operation.params.get("mode", ""), ""))
    is_subject = role != OperationRole.SAFETY
    ended, began = operation.finished_at, operation.started_at or operation.created_at
    return Event(
        tone=tone,
        icon=icon,
        title=title,
        state=state,
        who=operation.requested_by.get_full_name() if operation.requested_by else "",
        began_at=operation.created_at,
        took=ended - began if ended else None,
        note=note,
        stays=operation.warnings_total if is_subject else 0,
        stays_named=tuple(map(_stay, operation.warnings[:WARNINGS_SHOWN])) if named and is_subject else (),
    )


def _stay(item: dict[str, str]) -> tuple[str, str]:
    return str(STAYS.get(item.get("kind", ""), "")), item.get("path", "")


def _warning(item: dict[str, str]) -> tuple[str, str]:
    return str(WARNINGS.get(item.get("kind", ""), _("Not as it was"))), item.get("path", "")
