"""Extracts an archive into a data root so that the live data is wholly old or wholly new, whatever happens on the way.

1. The archive is staged in `.savepoint/{operation}/new/` on the root's own volume (`stage`), then compared with the live
   data (`plan`). Until the journal's commit record is on the disk nothing live was touched, and any failure removes the
   whole folder.
2. Names are exchanged one by one (`exchange`). A crash is carried forward by `extractions_recover`; an error takes
   everything back. Live folders keep their inodes, so that mounts and open handles stay right.
3. The journal's end is on the disk before anything that was displaced is removed. The journal stays until
   `outcome_release`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from sidecar.errors import Refused, SidecarError, SourceFailed
from sidecar.restore.exchange import Exchange
from sidecar.restore.failures import failure_named, failure_recalled, failures_named
from sidecar.restore.filesystem import Filesystem
from sidecar.restore.journal import Journal, State
from sidecar.restore.limits import DEFAULT_LIMITS, Limits
from sidecar.restore.outcomes import ExtractProgress, ExtractSummary, Mode, Outcome, OutcomeKind, Phase
from sidecar.restore.plan import plan_write
from sidecar.restore.progress import Progress
from sidecar.restore.reserved import (
    operation_name,
    operations_listed,
    reserved_made,
    reserved_opened,
    reserved_remove,
    root_locked,
    root_opened,
)
from sidecar.restore.stage import archive_stage
from sidecar.restore.workspace import Workspace

__all__ = [
    "ExtractProgress",
    "ExtractSummary",
    "Mode",
    "Outcome",
    "OutcomeKind",
    "Phase",
    "archive_extract",
    "extractions_recover",
    "outcome_read",
    "outcome_release",
]


def archive_extract(
    *,
    archive: Path,
    root: Path,
    operation: str,
    mode: Mode,
    on_progress: Callable[[ExtractProgress], None],
    cancelled: Callable[[], bool],
    limits: Limits = DEFAULT_LIMITS,
    filesystem: Filesystem | None = None,
) -> ExtractSummary:
    """Given a `.tar.gz` and the id of the operation it is for, make the data root as the archive says.

    Owners come back when running as root; permission bits and times always; setuid, setgid, sticky, access lists and
    extended attributes never. A finished operation is not done again: its summary is returned, or its error raised.
    `cancelled` is asked until the exchange begins.
    Raise, with the live data as it was: ArchiveDamaged, ArchiveRefused, NotEnoughSpace, Cancelled, SourceFailed (the
    volume failed), or Refused (another extraction is at work or could not be ended, a volume is mounted where the
    archive would write). Only when taking back fails as well is the journal left unfinished, for `extractions_recover`.
    """
    name = operation_name(operation)
    volume = filesystem or Filesystem()
    with failures_named(), root_locked(root) as root_fd:
        for unfinished, outcome in _recover(root_fd, volume):
            if outcome.kind is OutcomeKind.RUNNING:
                raise Refused(f"the extraction {unfinished} could not be ended: {outcome.error_detail}")
        known = _outcome(root_fd, name, volume)
        if known.kind is OutcomeKind.ROLLED_BACK:
            raise failure_recalled(known.error_code, known.error_detail)
        if known.summary:
            return known.summary
        progress = Progress(on_progress, cancelled)
        with contextlib.ExitStack() as stack:
            stack.callback(_tidy, root_fd, volume)
            reserved_fd = stack.enter_context(reserved_made(root_fd, volume))
            workspace = Workspace.make(reserved_fd, name, volume)
            stack.callback(workspace.close)
            summary = _commit(archive, root_fd, workspace, mode, limits, progress)
            _conclude(root_fd, workspace, progress)
        progress.enter(Phase.DONE)
        return summary


def outcome_read(*, root: Path, operation: str) -> Outcome:
    """Return what the journal on the disk says of an operation. Raise Refused or SourceFailed when it cannot be read."""
    with failures_named(), root_opened(root) as root_fd:
        return _outcome(root_fd, operation_name(operation), Filesystem())


def outcome_release(*, root: Path, operation: str) -> None:
    """Forget a finished operation: remove its folder, and the reserved one when it is empty. Nothing there is no error.

    Raise Refused while the journal has no end: what it needs to be carried to one must stay.
    """
    volume = Filesystem()
    with failures_named(), root_opened(root) as root_fd, reserved_opened(root_fd) as reserved_fd:
        with _entered(reserved_fd, operation_name(operation), volume) as workspace:
            if workspace is None:
                return
            if workspace.journal and workspace.journal.outcome.kind is OutcomeKind.RUNNING:
                raise Refused("the extraction has not ended")
            workspace.discard()
        reserved_remove(root_fd, volume)


def extractions_recover(*, root: Path, filesystem: Filesystem | None = None) -> list[tuple[str, Outcome]]:
    """Bring every unfinished extraction to its end, and return how each ended.

    NONE: it had not begun its exchange, and was removed; COMPLETED and ROLLED_BACK speak for themselves; RUNNING, with
    an error, means that the volume still fails: the live data is part old, part new, and all of both is kept.
    Raise Refused while another process is at work, SourceFailed when the root is missing.
    """
    with failures_named(), root_locked(root) as root_fd:
        return _recover(root_fd, filesystem or Filesystem())


def _commit(
    archive: Path, root_fd: int, workspace: Workspace, mode: Mode, limits: Limits, progress: Progress
) -> ExtractSummary:
    """Stage, plan, and write the commit record; whatever fails, nothing of it is left."""
    try:
        progress.enter(Phase.STAGING)
        with _archive_opened(archive) as packed:
            archive_stage(archive=packed, root_fd=root_fd, workspace=workspace, limits=limits, progress=progress)
        removed = plan_write(root_fd=root_fd, workspace=workspace, mode=mode, progress=progress)
        summary = ExtractSummary(files=progress.files, bytes=progress.bytes_done, removed=removed)
        workspace.sync()
        workspace.journal.commit(summary)
    except BaseException:
        with contextlib.suppress(OSError):  # what cannot be removed now is removed by the next recovery
            workspace.discard()
        raise
    return summary
