"""The restore engine: makes a data root hold given members so that the live data is wholly old or wholly new, whatever
happens on the way. It knows no format: the members come from a source (`reading.members`).

1. The members are compared with the live data (`comparing`), and what differs is staged in
   `.savepoint/{operation}/new/` on the root's own volume, and for each other place in that place (`sidecar.places`;
   `staging`); then the steps are written down (`staging.plan`). Until the journal's commit record is on the
   disk nothing live was touched, and any failure removes the whole folder.
2. Names are exchanged one by one, and metadata is set where nothing else differs (`exchanging`). A crash is carried
   forward by `extractions_recover`; an error takes everything back. Live folders keep their inodes, so that mounts and
   open handles stay right.
3. The journal's end is on the disk before anything that was displaced is removed. The journal stays until
   `outcome_release`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from sidecar.places.finding import NO_LINKS, places_find
from sidecar.places.links import LinkRoots
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.outcome import outcome_found
from sidecar.restore.reading.limits import DEFAULT_LIMITS, Limits
from sidecar.restore.reading.members import Members
from sidecar.restore.recovery import extraction_conclude, unfinished_recover
from sidecar.restore.staging.preparation import Preparation
from sidecar.restore.staging.room import Rooms
from sidecar.restore.workspace.failures import failure_recalled, failures_named
from sidecar.restore.workspace.outcomes import ExtractSummary
from sidecar.restore.workspace.progress import ExtractProgress, ProgressMeter
from sidecar.restore.workspace.reserved import operation_name, reserved_remove, root_locked
from trees.filesystem import Filesystem
from wire.enums import Mode, OutcomeKind, Phase


def members_restore(  # noqa: PLR0913 - all by keyword, and none can be derived from another
    *,
    members: AbstractContextManager[Members],
    left_out: Callable[[], PathTable],
    root: Path,
    operation: str,
    mode: Mode,
    on_progress: Callable[[ExtractProgress], None],
    cancelled: Callable[[], bool],
    before_exchange: Callable[[], None] = lambda: None,
    links: LinkRoots = NO_LINKS,
    limits: Limits = DEFAULT_LIMITS,
    filesystem: Filesystem | None = None,
) -> ExtractSummary:
    """Given members and the id of the operation they are for, make the data root as they say.

    Owners come back when running as root; permission bits and times always; setuid, setgid, sticky, access lists and
    extended attributes never. A finished operation is not done again: its summary is returned, or its error raised.
    Live paths that no backup could bring back stay, and so do those that the backup left out.
    `members` is opened once they are needed. `cancelled` is asked until the exchange begins. `before_exchange` is
    called once when all is staged: what it raises ends the restore there. A folder mounted in the root, or behind a
    link that `links` follow, comes back in a staging of its own; a part that cannot have one stays.
    Files that have their content already are not written: they keep their inode, access lists and attributes.
    Raise, with the live data as it was: ArchiveDamaged, ArchiveRefused, NotEnoughSpace, Cancelled, SourceFailed (the
    volume failed), or Refused (another extraction is at work or could not be ended). Only when taking back fails as
    well is the journal left unfinished, for `extractions_recover`.
    """
    name = operation_name(operation)
    volume = filesystem or Filesystem()
    with failures_named(root), root_locked(root) as root_fd:
        for unfinished, outcome in unfinished_recover(root_fd, volume, links):
            if outcome.kind is OutcomeKind.RUNNING:
                detail = f"extraction {unfinished}: {outcome.error_detail}"
                raise failure_recalled(outcome.error_code, detail, outcome.error_params)
        known = outcome_found(root_fd, name)
        if known.kind is OutcomeKind.ROLLED_BACK:
            raise failure_recalled(known.error_code, known.error_detail, known.error_params)
        if known.summary:
            return known.summary
        try:
            with members as source, contextlib.closing(places_find(root_fd, links)) as places:
                preparation = Preparation(
                    members=source,
                    places=places,
                    filesystem=volume,
                    mode=mode,
                    rooms=Rooms(places, limits),
                    progress=ProgressMeter(on_progress, cancelled),
                    before_exchange=cache(before_exchange),  # preparing may begin anew
                    left_out=left_out(),
                )
                return _restore(preparation, name)
        finally:
            with contextlib.suppress(OSError):
                reserved_remove(root_fd, volume)


def _restore(preparation: Preparation, name: bytes) -> ExtractSummary:
    """Prepare and commit, then exchange. A failure before the commit record leaves nothing behind."""
    progress = preparation.progress
    with contextlib.ExitStack() as opened:
        committed = preparation.commit(name, opened)
        progress.enter(Phase.EXCHANGING)
        extraction_conclude(preparation.places, committed.workspace, committed.journal, progress)
    progress.enter(Phase.DONE)
    return committed.summary
