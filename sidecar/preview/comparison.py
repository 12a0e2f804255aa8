"""Compares the listing of an archive with the live tree: both are walked in the same order, side by side.

Nothing is written, not even an access time where that can be left alone, and memory is that of the walk, whatever the
size of the two. The game may go on meanwhile: what is told of each path was true at its turn.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from sidecar.errors import ArchiveDamaged, ArchiveRefused
from sidecar.places.finding import NO_LINKS, places_find
from sidecar.places.links import LinkRoots
from sidecar.preview.ahead import Ahead
from sidecar.preview.changes import Changes, PathsPage, Preview
from sidecar.preview.contents import LiveContents
from sidecar.preview.live import Live, live_paths
from sidecar.preview.passed import Passed
from sidecar.preview.staying import LiveStaying
from sidecar.scan import root_open
from trees.paths import walks_joined
from trees.trust import Trust, machine_started_ns
from wire.enums import ChangeKind, Mode
from wire.listing import FILE, FOLDER, HARD_LINK, LEFT_OUT, Entry, Listing, ListingDamaged, ListingRefused


def restore_preview(
    *,
    root: Path,
    listing: Iterable[bytes | memoryview],
    mode: Mode,
    page: PathsPage,
    check: Callable[[], None],
    links: LinkRoots = NO_LINKS,
) -> Preview:
    """Compare the live tree with the listing of an archive, given in parts of any size.

    A live path that the archive lacks is removed in the mode `REPLACE` only, save below a folder that gives way to
    something else, and the companion of a file: these go in either. Some paths stay, as the restore decides it
    (`staying` and `units` in `sidecar.restore.comparing`). `check` is called at every step, and ends the work by
    raising.
    Raises ArchiveDamaged and ArchiveRefused for what is wrong with the listing, and SourceFailed.
    """
    descriptor = root_open(root)
    try:
        told = Listing(listing)
        changes = Changes(page)
        with closing(places_find(descriptor, links)) as places, closing(live_paths(descriptor, places)) as live:
            trust = Trust(told.started_ns, machine_started_ns=machine_started_ns())
            contents = LiveContents(trust=trust, check=check)
            entries = Ahead(told.entries())
            with closing(LiveStaying(places, entries, contents)) as staying:
                comparison = _Comparison(contents, staying, mode, changes)
                for entry, found in walks_joined(entries, live, left_path=_path, right_path=_path):
                    check()
                    comparison.step(entry, found)
    except ListingDamaged as error:
        raise ArchiveDamaged(str(error)) from error
    except ListingRefused as error:
        raise ArchiveRefused(str(error)) from error
    finally:
        os.close(descriptor)
    return changes.preview()


class _Comparison:
    """Takes the entries and the live paths in their order, and counts."""

    def __init__(self, contents: LiveContents, staying: LiveStaying, mode: Mode, changes: Changes) -> None:
        self._contents = contents
        self._staying = staying
        self._mode = mode
        self._changes = changes
        self._new = b""
        self._replaced = b""
        self._left = b""
        self._passed: Passed = staying.passed

    def step(self, entry: Entry | None, live: Live | None) -> None:
        """Compare the archive's entry of a path with the live one; either may be missing."""
        if entry is not None and entry.vanished:
            entry = None  # it was not there
        if entry is not None and entry.kind in (FILE, HARD_LINK, FOLDER):
            self._passed.note(entry.path, is_folder=entry.kind == FOLDER)
        if entry is not None and not self._is_left(entry.path):
            if live is not None:
                self._both(entry, live)
            elif entry.kind != LEFT_OUT:
                self._archive_only(entry)
        elif entry is None and live is not None and not self._is_left(live.path) and self._goes(live):
            self._takes(live)

    def _archive_only(self, entry: Entry) -> None:
        """A path that the archive alone has."""
        is_below_new = _is_below(entry.path, self._new)
        if not is_below_new and self._staying.keeps_out(entry.path):
            self._leave(entry.path)
            return
        if entry.kind == FOLDER and not is_below_new:
            self._new = entry.path + b"/"
        self._writes(ChangeKind.ADDED, entry)

    def _both(self, entry: Entry, live: Live) -> None:
        """A path that the archive has, or left out, and that is live."""
        folders = entry.kind == FOLDER and live.is_folder
        if entry.kind == LEFT_OUT:
            if self._staying.is_told_left_out(live) or self._goes(live):
                self._leave(live.path)
        elif entry.kind != FOLDER and self._staying.is_followed(live):
            self._over_link(entry, live)
        elif self._staying.is_left(live) or (folders and self._staying.is_closed(live)):
            self._leave(live.path)
        elif not self._contents.same(entry, live.found):
            self._differs(entry, live, folders=folders)

    def _differs(self, entry: Entry, live: Live, *, folders: bool) -> None:
        """A path whose live content or metadata is not the archive's; `folders`: both are folders."""
        if folders and self._staying.keeps_metadata(live):
            self._leave(live.path, whole=False)
        elif folders or self._contents.is_kept(entry, live.found) or self._staying.may_go(live):
            self._writes(ChangeKind.CHANGED, entry)
            if entry.kind != FOLDER:
                self._replaced = entry.path + b"/"
        else:
            self._leave(live.path)

    def _over_link(self, entry: Entry, live: Live) -> None:
        """A live link that is followed gives way to what is no folder, and nothing behind it does."""
        if not self._contents.same_link(entry, live.found):
            self._writes(ChangeKind.CHANGED, entry)
        self._left = live.path + b"/"

    def _goes(self, live: Live) -> bool:
        """Whether the archive has no place for a live path that it lacks."""
        if self._mode is Mode.REPLACE or _is_below(live.path, self._replaced):
            return True
        return self._staying.stays(live.path) or self._staying.is_companion(live)

    def _takes(self, live: Live) -> None:
        """A live path goes, unless it stays."""
        if live.found is not None and self._staying.may_go(live):
            status = live.found.status
            self._changes.add(ChangeKind.REMOVED, live.path, status.st_size if stat.S_ISREG(status.st_mode) else 0)
        else:
            self._leave(live.path, whole=not self._staying.holds(live.path))

    def _leave(self, path: bytes, *, whole: bool = True) -> None:
        """A path stays as it is; `whole`: with everything below it."""
        self._changes.add(ChangeKind.STAYS, path)
        if whole:
            self._left = path + b"/"

    def _is_left(self, path: bytes) -> bool:
        return _is_below(path, self._left)

    def _writes(self, kind: ChangeKind, entry: Entry) -> None:
        # A further name of a file costs no content of its own.
        self._changes.writes(kind, entry.path, entry.size if entry.kind == FILE else 0)


def _path(step: Entry | Live) -> bytes:
    return step.path


def _is_below(path: bytes, folder: bytes) -> bool:
    """Whether a path lies below a folder, which ends in a slash; an empty one is none."""
    return bool(folder) and path.startswith(folder)
