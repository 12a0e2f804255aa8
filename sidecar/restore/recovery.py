"""Finishes extractions: those of a killed process, and those committed now."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from sidecar.errors import EntryFailed, SourceFailed
from sidecar.places.finding import NO_LINKS
from sidecar.places.links import LinkRoots
from sidecar.places.places import Places
from sidecar.restore.exchanging.exchange import Exchange
from sidecar.restore.staging.parts import parts_open
from sidecar.restore.workspace.failures import failure_named, failure_recalled, failures_named
from sidecar.restore.workspace.journal import Journal, State
from sidecar.restore.workspace.outcomes import Outcome
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.reserved import (
    operation_name,
    operations_listed,
    reserved_opened,
    reserved_remove,
    root_locked,
)
from sidecar.restore.workspace.workspace import PLACES, Workspace
from trees.filesystem import Filesystem
from wire.enums import OutcomeKind, Phase


def extractions_recover(
    *, root: Path, links: LinkRoots = NO_LINKS, filesystem: Filesystem | None = None
) -> list[tuple[str, Outcome]]:
    """Finish every interrupted extraction, and return the outcome of each.

    NONE: the exchange had not begun, and the extraction was removed. RUNNING with an error: the volume still fails;
    the live data is partly old and partly new, and nothing of either is lost. If that error is ENODEV, the place at
    its path is away, and everything else is wholly old or wholly new.
    Raise Refused while another process is at work, SourceFailed when the root is missing.
    """
    with failures_named(root), root_locked(root) as root_fd:
        return unfinished_recover(root_fd, filesystem or Filesystem(), links)


def unfinished_recover(root_fd: int, volume: Filesystem, links: LinkRoots) -> list[tuple[str, Outcome]]:
    """As `extractions_recover`, in an open and locked data root."""
    with reserved_opened(root_fd) as reserved_fd:
        if reserved_fd is None:
            return []
        outcomes = [
            (operation, _recover_one(root_fd, Workspace(reserved_fd, operation_name(operation), volume), links))
            for operation in operations_listed(reserved_fd)
        ]
    reserved_remove(root_fd, volume)
    return [(operation, outcome) for operation, outcome in outcomes if outcome]


def extraction_conclude(places: Places, workspace: Workspace, journal: Journal, progress: ProgressMeter) -> None:
    """Finish a committed extraction. Raise the error that caused a rollback, or OSError if that failed, too.

    While a place is away the extraction cannot end: all other places are finished, and ENODEV is raised for it.
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
    with contextlib.suppress(OSError):  # the release removes the rest
        workspace.sweep()
    if journal.state is State.ROLLED_BACK:
        raise failure_recalled(journal.error_code, journal.error_detail, journal.error_params) from cause


def _recover_one(root_fd: int, workspace: Workspace, links: LinkRoots) -> Outcome | None:
    """Finish one extraction and return its outcome; None when it had ended before."""
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
                with contextlib.suppress(OSError):  # leftovers do no harm
                    workspace.discard()
                return Outcome(OutcomeKind.NONE)
            if journal.outcome.kind is not OutcomeKind.RUNNING:
                with contextlib.suppress(OSError):
                    workspace.sweep()
                return None
            progress = ProgressMeter(lambda _: None, lambda: False)
            progress.enter(Phase.EXCHANGING)
            extraction_conclude(places, workspace, journal, progress)
        except Exception as error:  # noqa: BLE001 - one operation's trouble must not keep the others from their end
            if journal is None or journal.outcome.kind is OutcomeKind.RUNNING:
                failure = failure_named(error, root_fd)
                return Outcome(OutcomeKind.RUNNING, None, failure.code, failure.detail, failure.params)
        finally:
            if journal is not None:
                journal.close()
        return journal.outcome
