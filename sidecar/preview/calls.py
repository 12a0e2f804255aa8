"""Runs previews of restores for calls, a few at a time."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sidecar.calls.calls import Call
from sidecar.errors import Busy
from sidecar.places.links import LinkRoots
from sidecar.preview.changes import PATHS_MAX, PathsPage, Preview
from sidecar.preview.comparison import restore_preview
from sidecar.restore.reading.chosen import Chosen
from wire.enums import Mode

# A preview may read all data, and occupies a call's thread: repeated calls must not occupy all threads.
PREVIEWS_AT_ONCE: Final = 2


class Previews:
    """A few previews at a time."""

    def __init__(self, *, root: Path, links: LinkRoots) -> None:
        self._root = root
        self._links = links
        self._free = threading.BoundedSemaphore(PREVIEWS_AT_ONCE)

    def run(
        self,
        call: Call,
        *,
        parts: Iterator[bytes | memoryview],
        mode: Mode,
        chosen: Chosen,
        paths_limit: int,
        paths_after: bytes,
    ) -> Preview:
        """Compare a listing, given as its bytes, with the data.

        Raises `SidecarError`s, among them `Busy` when too many previews run.
        """
        if not self._free.acquire(blocking=False):
            raise Busy("Other previews are running on this server now: try again in a moment.")
        try:
            page = PathsPage(after=paths_after, limit=min(paths_limit, PATHS_MAX))
            return restore_preview(
                root=self._root, listing=parts, mode=mode, chosen=chosen, page=page, check=call.check, links=self._links
            )
        finally:
            self._free.release()
