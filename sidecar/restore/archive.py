"""Extracts a `.tar.gz` into a data root, by the restore engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sidecar.places.finding import NO_LINKS
from sidecar.places.links import LinkRoots
from sidecar.restore.comparing.left_out import left_out_read
from sidecar.restore.engine import members_restore
from sidecar.restore.reading.chosen import EVERYTHING, Chosen
from sidecar.restore.reading.tar.archive import archive_opened
from sidecar.restore.reading.tar.limits import DEFAULT_TAR_LIMITS, TarLimits
from sidecar.restore.workspace.outcomes import ExtractSummary
from sidecar.restore.workspace.progress import ExtractProgress
from trees.filesystem import Filesystem
from wire.enums import Mode


def archive_extract(  # noqa: PLR0913 - all by keyword, and none can be derived from another
    *,
    archive: Path,
    listing: Path | None = None,
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
    limits: TarLimits = DEFAULT_TAR_LIMITS,
    filesystem: Filesystem | None = None,
) -> ExtractSummary:
    """Given a `.tar.gz` and the id of the operation it is for, make the data root as the archive says.

    Live paths that the backup left out stay; `listing` names them. Otherwise, and in its errors, as `members_restore`.
    """
    return members_restore(
        members=archive_opened(archive, limits),
        left_out=partial(left_out_read, listing),
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
