"""Restores a snapshot's tree into a data root, by the restore engine: its listing, and the contents that differ."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from sidecar.errors import Cancelled
from sidecar.places.finding import NO_LINKS
from sidecar.places.links import LinkRoots
from sidecar.restore.comparing.left_out import left_out_of
from sidecar.restore.engine import members_restore
from sidecar.restore.reading.chosen import EVERYTHING, Chosen
from sidecar.restore.reading.limits import DEFAULT_LIMITS, Limits
from sidecar.restore.reading.listed.contents import Contents
from sidecar.restore.reading.listed.members import ListedMembers, ListingParts
from sidecar.restore.workspace.outcomes import ExtractSummary
from sidecar.restore.workspace.progress import ExtractProgress
from trees.filesystem import Filesystem
from wire.enums import Mode


def tree_restore(  # noqa: PLR0913 - all by keyword, and none can be derived from another
    *,
    listing: ListingParts,
    contents: Contents,
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
    """Given a snapshot's listing and the id of the operation it is for, make the data root as the listing says.

    `contents` is asked for the files that differ. Otherwise, and in its errors, as `members_restore`; SourceFailed also
    when the contents end too early.
    """

    def check() -> None:
        if cancelled():
            raise Cancelled("the restore was cancelled before anything live was touched")

    return members_restore(
        members=nullcontext(ListedMembers(listing, contents, limits, check=check)),
        left_out=lambda: left_out_of(listing()),
        root=root,
        operation=operation,
        mode=mode,
        chosen=chosen,
        safety=safety,
        on_progress=on_progress,
        cancelled=cancelled,
        before_exchange=before_exchange,
        weigh=weigh,
        links=links,
        limits=limits,
        filesystem=filesystem,
    )
