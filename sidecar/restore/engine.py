"""The restore engine: restores members into a data root so that after any crash or error the live data is wholly old
or wholly new. It knows no format: the members come from a source (`reading.members`).

1. The members are compared with the live data (`comparing`). Differing members are staged in
   `.savepoint/{operation}/new/` on the root's volume, and those of another place in that place (`sidecar.places`,
   `staging`). Then the steps of the exchange are written to the plan (`staging.plan`). Nothing live is touched before
   the journal's commit record is on the disk, and any failure until then removes the whole folder.
2. Names are exchanged one by one, and where only metadata differs, it is set (`exchanging`). After a crash,
   `extractions_recover` finishes the exchange; an error undoes all of it. Live folders keep their inodes, so that
   mounts and open handles stay valid.
3. Displaced files are removed only after the journal's end is on the disk. The journal stays until `outcome_release`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from sidecar.places.finding import NO_LINKS, places_find
from sidecar.places.links import LinkRoots
from sidecar.restore.comparing.left_out import LeftOut
from sidecar.restore.outcome import outcome_found
from sidecar.restore.reading.chosen import EVERYTHING, Chosen, ChosenMembers, WholeMembers
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
    left_out: Callable[[], LeftOut],
    root: Path,
    operation: str,
    mode: Mode,
    chosen: Chosen = EVERYTHING,
    safety: Path | None = None,
    on_progress: Callable[[ExtractProgress], None],
    cancelled: Callable[[], bool],
    before_exchange: Callable[[], None] = lambda: None,
    weigh: bool = False,
    links: LinkRoots = NO_LINKS,
    limits: Limits = DEFAULT_LIMITS,
    filesystem: Filesystem | None = None,
) -> ExtractSummary:
    """Given members and the id of their operation, restore them into the data root, or only the `chosen` paths: then
    nothing else is removed, and folders above them are made if they are missing, but are else left as they are.

    Permission bits and times are always restored, owners only as root; setuid, setgid, sticky, access lists and
    extended attributes never. A finished operation is not repeated: its summary is returned, or its error raised.
    Live paths that no backup could bring back stay, and so do those that the backup left out, or by the listing
    `safety` the safety backup. Files that already have
    their content are not written: they keep their inode, access lists and attributes.
    `weigh`: find the room needed also where no live data is there to compare with, which reads the members once more.
    `members` is opened when it is needed. `cancelled` is called until the exchange begins. `before_exchange` is called
    once after staging; an error of it ends the restore there. A folder that is mounted in the root, or that lies
    behind a link which `links` follow, has its own staging; a part that cannot have one stays.
    Raise, with the live data unchanged: ArchiveDamaged, ArchiveRefused, NotEnoughSpace, Cancelled, SourceFailed (the
    volume failed), or Refused (another extraction runs, or could not be ended). If the rollback fails, too, the
    journal stays unfinished, for `extractions_recover`.
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
        progress = ProgressMeter(on_progress, cancelled)
        try:
            with members as source, contextlib.closing(places_find(root_fd, links)) as places:
                lacking = left_out()
                if safety is not None:
                    lacking.add_safety(safety)
                whole = WholeMembers(source, left_out=lacking.of_backup)
                preparation = Preparation(
                    members=whole if chosen.is_everything else ChosenMembers(whole, chosen, check=progress.check),
                    chosen=chosen,
                    places=places,
                    filesystem=volume,
                    mode=mode,
                    rooms=Rooms(places, limits),
                    progress=progress,
                    before_exchange=cache(before_exchange),  # the preparation may start again
                    left_out=lacking,
                    weigh=weigh,
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
