"""The outcome of an extraction, read from its journal on the disk until it is released."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from sidecar.errors import Refused
from sidecar.places.finding import NO_LINKS
from sidecar.places.links import LinkRoots
from sidecar.restore.comparing.staying import staying_read
from sidecar.restore.staging.parts import parts_open
from sidecar.restore.workspace.failures import failures_named
from sidecar.restore.workspace.journal import Journal
from sidecar.restore.workspace.outcomes import Outcome
from sidecar.restore.workspace.reserved import operation_name, reserved_opened, reserved_remove, root_opened
from sidecar.restore.workspace.workspace import Workspace
from trees.filesystem import Filesystem
from trees.folders import status_at
from wire.enums import OutcomeKind


def outcome_read(*, root: Path, operation: str) -> Outcome:
    """Return the outcome in an operation's journal. Raise Refused or SourceFailed if it cannot be read."""
    with failures_named(root), root_opened(root) as root_fd:
        return outcome_found(root_fd, operation_name(operation))


def outcome_release(*, root: Path, operation: str, links: LinkRoots = NO_LINKS) -> None:
    """Remove the folder of a finished operation, and the reserved one when it is empty. A missing folder is no error.

    Raise Refused while the journal has no end: recovery still needs the folder.
    """
    name, volume = operation_name(operation), Filesystem()
    with failures_named(root), root_opened(root) as root_fd:
        if outcome_found(root_fd, name).kind is OutcomeKind.RUNNING:
            raise Refused("the extraction has not ended")
        with reserved_opened(root_fd) as reserved_fd:
            if reserved_fd is None or status_at(name, at=reserved_fd) is None:
                return
            with (
                contextlib.closing(Workspace(reserved_fd, name, volume)) as workspace,
                contextlib.closing(parts_open(workspace, root_fd, links, running=False)),
            ):
                workspace.forget()
                with contextlib.suppress(OSError):  # such as a removed immutable file: the next recovery deletes it
                    workspace.discard()
        reserved_remove(root_fd, volume)


def outcome_found(root_fd: int, name: bytes) -> Outcome:
    """The outcome of the operation whose folder has this name, in an open data root."""
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
