"""Runs estimates of backups for calls, a few at a time."""

import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from sidecar.calls.calls import Call
from sidecar.errors import Busy
from sidecar.exclusion.counting import TreeCount, tree_count
from sidecar.exclusion.patterns import Exclude, InForce, patterns_read
from sidecar.places.finding import places_find
from sidecar.places.links import LinkRoots
from sidecar.scratch.paths import data_folder

# An estimate walks all data, and occupies a call's thread: repeated calls must not occupy all threads.
ESTIMATES_AT_ONCE: Final = 2
PATHS_MAX: Final = 1000


class Estimates:
    """A few estimates at a time."""

    def __init__(self, *, root: Path, links: LinkRoots) -> None:
        self._root = root
        self._links = links
        self._free = threading.BoundedSemaphore(ESTIMATES_AT_ONCE)

    def run(
        self, call: Call, *, source: str, exclude: Exclude, changed_since_ns: int, paths_limit: int
    ) -> tuple[TreeCount, InForce]:
        """Count a folder of the data, and what the patterns would leave out of it.

        Raises `SidecarError`s, among them `Busy` when too many estimates run.
        """
        if not self._free.acquire(blocking=False):
            raise Busy("Other estimates are running on this server now: try again in a moment.")
        try:
            with data_folder(source, root=self._root) as folder:
                patterns = patterns_read(folder, exclude)
                with closing(places_find(folder, self._links)) as places:
                    counted = tree_count(
                        folder,
                        places=places,
                        check=call.check,
                        patterns=patterns,
                        changed_since_ns=changed_since_ns,
                        paths_limit=min(paths_limit, PATHS_MAX),
                    )
            return counted, patterns
        finally:
            self._free.release()
