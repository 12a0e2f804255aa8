"""Extracts an archive into a data root so that the live data is wholly old or wholly new, whatever happens on the way.

1. The archive is compared with the live data (`comparison`), and what differs is staged in
   `.savepoint/{operation}/new/` on the root's own volume, and for each other place in that place (`sidecar.places`,
   `parts`; `stage`); then the steps are written down (`plan`). Until the journal's commit record is on the disk nothing
   live was touched, and any failure removes the whole folder.
2. Names are exchanged one by one, and metadata is set where nothing else differs (`exchange`). A crash is carried
   forward by `extractions_recover`; an error takes everything back. Live folders keep their inodes, so that mounts and
   open handles stay right.
3. The journal's end is on the disk before anything that was displaced is removed. The journal stays until
   `outcome_release`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sidecar.errors import EntryFailed, Refused, SourceFailed
from sidecar.places.finding import NO_LINKS, places_find
from sidecar.places.links import LinkRoots
from sidecar.places.places import Places
from sidecar.restore.comparing.staying import left_out_read, staying_read
from sidecar.restore.exchanging.exchange import Exchange
from sidecar.restore.reading.limits import DEFAULT_LIMITS, Limits
from sidecar.restore.reading.passes import Archive
from sidecar.restore.staging.parts import parts_open
from sidecar.restore.staging.preparation import Preparation
from sidecar.restore.staging.room import Rooms
from sidecar.restore.workspace.failures import failure_named, failure_recalled, failures_named
from sidecar.restore.workspace.journal import Journal, State
from sidecar.restore.workspace.outcomes import ExtractProgress, ExtractSummary, Outcome
from sidecar.restore.workspace.progress import Progress
from sidecar.restore.workspace.reserved import (
    operation_name,
    operations_listed,
    reserved_opened,
    reserved_remove,
    root_locked,
    root_opened,
)
from sidecar.restore.workspace.workspace import PLACES, Workspace
from trees.filesystem import Filesystem
from trees.folders import status_at
from wire.enums import Mode, OutcomeKind, Phase

__all__ = [
    "ExtractProgress",
    "ExtractSummary",
    "Outcome",
    "archive_extract",
    "extractions_recover",
    "outcome_read",
    "outcome_release",
]


def archive_extract(  # noqa: PLR0913 - all by keyword, and none can be derived from another
    *,
    archive: Path,
    listing: Path | None = None,
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
    """Given a `.tar.gz` and the id of the operation it is for, make the data root as the archive says.

    Owners come back when running as root; permission bits and times always; setuid, setgid, sticky, access lists and
    extended attributes never. A finished operation is not done again: its summary is returned, or its error raised.
    Live paths that no backup could bring back stay, and so do those that the backup left out, as its `listing` says.
    `cancelled` is asked until the exchange begins. `before_exchange` is called once when all is staged: what it raises
    ends the extraction there. A folder mounted in the root, or behind a link that `links` follow, comes back in a
    staging of its own; a part that cannot have one stays.
    Files that have the archive's content already are not written: they keep their inode, access lists and attributes.
    Raise, with the live data as it was: ArchiveDamaged, ArchiveRefused, NotEnoughSpace, Cancelled, SourceFailed (the
    volume failed), or Refused (another extraction is at work or could not be ended). Only when taking back fails as
    well is the journal left unfinished, for `extractions_recover`.
    """
    name = operation_name(operation)
    volume = filesystem or Filesystem()
    with failures_named(root), root_locked(root) as root_fd:
        for unfinished, outcome in _recover(root_fd, volume, links):
            if outcome.kind is OutcomeKind.RUNNING:
                detail = f"extraction {unfinished}: {outcome.error_detail}"
                raise failure_recalled(outcome.error_code, detail, outcome.error_params)
        known = _outcome(root_fd, name)
        if known.kind is OutcomeKind.ROLLED_BACK:
            raise failure_recalled(known.error_code, known.error_detail, known.error_params)
        if known.summary:
            return known.summary
        try:
            with _archive_opened(archive) as packed, contextlib.closing(places_find(root_fd, links)) as places:
                preparation = Preparation(
                    archive=Archive(packed, limits),
                    places=places,
                    filesystem=volume,
                    mode=mode,
                    rooms=Rooms(places, limits),
                    progress=Progress(on_progress, cancelled),
                    before_exchange=_once(before_exchange),
                    left_out=left_out_read(listing),
                )
                return _extract(preparation, name)
        finally:
            with contextlib.suppress(OSError):
                reserved_remove(root_fd, volume)


def outcome_read(*, root: Path, operation: str) -> Outcome:
    """Return what the journal on the disk says of an operation. Raise Refused or SourceFailed if it cannot be read."""
    with failures_named(root), root_opened(root) as root_fd:
        return _outcome(root_fd, operation_name(operation))


def outcome_release(*, root: Path, operation: str, links: LinkRoots = NO_LINKS) -> None:
    """Forget a finished operation: remove its folder, and the reserved one when it is empty. Nothing there is no error.

    Raise Refused while the journal has no end: what it needs to be carried to one must stay.
    """
    name, volume = operation_name(operation), Filesystem()
    with failures_named(root), root_opened(root) as root_fd:
        if _outcome(root_fd, name).kind is OutcomeKind.RUNNING:
            raise Refused("the extraction has not ended")
        with reserved_opened(root_fd) as reserved_fd:
            if reserved_fd is None or status_at(name, at=reserved_fd) is None:
                return
            with (
                contextlib.closing(Workspace(reserved_fd, name, volume)) as workspace,
                contextlib.closing(parts_open(workspace, root_fd, links, running=False)),
            ):
                workspace.forget()
                with contextlib.suppress(OSError):  # an immutable file that was taken away, say: the next recovery's
                    workspace.discard()
        reserved_remove(root_fd, volume)


def extractions_recover(
    *, root: Path, links: LinkRoots = NO_LINKS, filesystem: Filesystem | None = None
) -> list[tuple[str, Outcome]]:
    """Bring every unfinished extraction to its end, and return how each ended.

    NONE: it had not begun its exchange, and was removed; COMPLETED and ROLLED_BACK speak for themselves; RUNNING, with
    an error, means that the volume still fails: the live data is part old, part new, and all of both is kept. Where the
    error is ENODEV, the place at its path is away: everything else is wholly old or wholly new.
    Raise Refused while another process is at work, SourceFailed when the root is missing.
    """
    with failures_named(root), root_locked(root) as root_fd:
        return _recover(root_fd, filesystem or Filesystem(), links)


def _extract(preparation: Preparation, name: bytes) -> ExtractSummary:
    """Prepare and commit, then exchange. What fails before the commit record leaves nothing behind."""
    progress = preparation.progress
    with contextlib.ExitStack() as opened:
        committed = preparation.commit(name, opened)
        progress.enter(Phase.EXCHANGING)
        _conclude(preparation.places, committed.workspace, committed.journal, progress)
    progress.enter(Phase.DONE)
    return committed.summary


def _conclude(places: Places, workspace: Workspace, journal: Journal, progress: Progress) -> None:
    """Carry a committed extraction to its end. Raise the error that made it go back, or OSError if that failed too.

    While a place is away there is no end: all others are brought as far as they go, and ENODEV is raised for it.
    """
    cause: Exception | None = None
    root_fd = places.root.fd
    with contextlib.closing(Exchange(places, workspace, progress)) as exchange:
        if journal.state is State.COMMITTED:
            try:
                exchange.forward()
                if not places.away:
                    journal.complete()
            except Exception as error:  # noqa: BLE001 - whatever it was, the live data must not stay half exchanged
                cause = error
                journal.roll_back(failure_named(error, root_fd))
        if journal.state is State.ROLLING_BACK:
            refused = exchange.backward()
            if not places.away:
                journal.rolled_back(failure_named(refused, root_fd) if refused else None)
    if places.away:
        raise EntryFailed(OSError(errno.ENODEV, os.strerror(errno.ENODEV)), places.away[0])
    with contextlib.suppress(OSError):  # what cannot be removed now is removed by the release
        workspace.sweep()
    if journal.state is State.ROLLED_BACK:
        raise failure_recalled(journal.error_code, journal.error_detail, journal.error_params) from cause


def _recover(root_fd: int, volume: Filesystem, links: LinkRoots) -> list[tuple[str, Outcome]]:
    with reserved_opened(root_fd) as reserved_fd:
        if reserved_fd is None:
            return []
        outcomes = [
            (operation, _recover_one(root_fd, Workspace(reserved_fd, operation_name(operation), volume), links))
            for operation in operations_listed(reserved_fd)
        ]
    reserved_remove(root_fd, volume)
    return [(operation, outcome) for operation, outcome in outcomes if outcome]


def _recover_one(root_fd: int, workspace: Workspace, links: LinkRoots) -> Outcome | None:
    """Bring one extraction to its end and return how; None when it had ended before."""
    journal: Journal | None = None
    with contextlib.ExitStack() as opened:
        opened.callback(workspace.close)
        try:
            journal = Journal.open(at=workspace.fd, filesystem=workspace.filesystem)
            running = journal is not None and journal.state in (State.COMMITTED, State.ROLLING_BACK)
            if running and journal and journal.places and not workspace.has_list(PLACES):
                raise SourceFailed("the list of an extraction's places is missing")
            places = opened.enter_context(contextlib.closing(parts_open(workspace, root_fd, links, running=running)))
            if journal is None or journal.state is State.STAGING:
                with contextlib.suppress(OSError):  # it keeps nobody from anything
                    workspace.discard()
                return Outcome(OutcomeKind.NONE)
            if journal.outcome.kind is not OutcomeKind.RUNNING:
                with contextlib.suppress(OSError):
                    workspace.sweep()
                return None
            progress = Progress(lambda _: None, lambda: False)
            progress.enter(Phase.EXCHANGING)
            _conclude(places, workspace, journal, progress)
        except Exception as error:  # noqa: BLE001 - one operation's trouble must not keep the others from their end
            if journal is None or journal.outcome.kind is OutcomeKind.RUNNING:
                failure = failure_named(error, root_fd)
                return Outcome(OutcomeKind.RUNNING, None, failure.code, failure.detail, failure.params)
        finally:
            if journal is not None:
                journal.close()
        return journal.outcome


def _outcome(root_fd: int, name: bytes) -> Outcome:
    with contextlib.ExitStack() as opened:
        reserved_fd = opened.enter_context(reserved_opened(root_fd))
        if reserved_fd is None or status_at(name, at=reserved_fd) is None:
            return Outcome(OutcomeKind.NONE)
        workspace = opened.enter_context(contextlib.closing(Workspace(reserved_fd, name, Filesystem())))
        journal = Journal.open(at=workspace.fd, filesystem=workspace.filesystem)
        if journal is None:
            return Outcome(OutcomeKind.NONE)
        opened.callback(journal.close)
        outcome = journal.outcome
        if outcome.summary is None:
            return outcome
        return replace(outcome, summary=replace(outcome.summary, staying=staying_read(workspace)))


def _once(call: Callable[[], None]) -> Callable[[], None]:
    """The same call, of which only the first does anything: preparing may begin anew."""
    called: list[bool] = []

    def once() -> None:
        if not called:
            called.append(True)
            call()

    return once


@contextlib.contextmanager
def _archive_opened(archive: Path) -> Iterator[BinaryIO]:
    try:
        packed = archive.open("rb", buffering=0)
    except OSError as error:
        raise SourceFailed("the archive cannot be read") from error
    with packed:
        yield packed
