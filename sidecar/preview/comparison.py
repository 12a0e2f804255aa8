"""Compares the listing of an archive with the live tree by walking both in step, in the same order.

Nothing is written, not even access times where the kernel allows that. Memory is that of the walk, whatever the size
of the two. The game may run meanwhile: the result for each path was true when the walk reached it.
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
from sidecar.restore.reading.chosen import EVERYTHING, Chosen
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
    chosen: Chosen = EVERYTHING,
    page: PathsPage,
    check: Callable[[], None],
    links: LinkRoots = NO_LINKS,
) -> Preview:
    """Compare the live tree with the listing of an archive, given in parts of any size.

    A live path that the archive lacks is removed in the mode `REPLACE` only. Two kinds of such paths are removed in
    both modes: those below a folder that another kind of entry replaces, and companions of restored files. Some paths
    stay, by the rules of the restore (`staying` and `units` in `sidecar.restore.comparing`). `check` is called at
    every step, and raises to cancel.
    Raises ArchiveDamaged and ArchiveRefused for a bad listing, and SourceFailed.
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
                comparison = _Comparison(contents, staying, mode, chosen, changes)
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
    """Takes the entries and the live paths in order, and counts changes."""

    def __init__(
        self, contents: LiveContents, staying: LiveStaying, mode: Mode, chosen: Chosen, changes: Changes
    ) -> None:
        self._contents = contents
        self._staying = staying
        self._mode = mode
        self._chosen = chosen
        self._changes = changes
        self._new = b""
        self._replaced = b""
        self._left = b""
        self._passed: Passed = staying.passed

    def step(self, entry: Entry | None, live: Live | None) -> None:
        """Compare the archive's entry of a path with the live one; either may be missing."""
        if entry is not None and entry.vanished:
            entry = None  # it did not exist at the backup
        if entry is not None and entry.kind != LEFT_OUT and not self._is_restored(entry, live):
            return
        if entry is not None and entry.kind in (FILE, HARD_LINK, FOLDER):
            self._passed.note(entry.path, is_folder=entry.kind == FOLDER)
        if entry is not None and not self._is_left(entry.path):
            if live is not None:
                self._both(entry, live)
            elif entry.kind != LEFT_OUT:
                self._archive_only(entry)
        elif entry is None and live is not None and not self._is_left(live.path) and self._goes(live):
            self._takes(live)

    def _is_restored(self, entry: Entry, live: Live | None) -> bool:
        """Whether an entry is chosen, or a folder above a chosen path that has to be made."""
        if self._chosen.takes(entry.path):
            return True
        is_missing = live is None or (live.found is not None and not live.is_folder)
        return entry.kind == FOLDER and self._chosen.is_above(entry.path) and is_missing

    def _archive_only(self, entry: Entry) -> None:
        """Compare a path that only the archive has."""
        is_below_new = _is_below(entry.path, self._new)
        if not is_below_new and self._staying.keeps_out(entry.path):
            self._leave(entry.path)
            return
        if entry.kind == FOLDER and not is_below_new:
            self._new = entry.path + b"/"
        self._writes(ChangeKind.ADDED, entry)

    def _both(self, entry: Entry, live: Live) -> None:
        """Compare a live path that the archive has or left out."""
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
        """Count a path whose live content or metadata differs from the archive's; `folders`: both are folders."""
        if folders and self._staying.keeps_metadata(live):
            self._leave(live.path, whole=False)
        elif folders or self._contents.is_kept(entry, live.found) or self._staying.may_go(live):
            self._writes(ChangeKind.CHANGED, entry)
            if entry.kind != FOLDER:
                self._replaced = entry.path + b"/"
        else:
            self._leave(live.path)

    def _over_link(self, entry: Entry, live: Live) -> None:
        """Count a followed live link that a non-folder replaces; nothing behind the link changes."""
        if not self._contents.same_link(entry, live.found):
            self._writes(ChangeKind.CHANGED, entry)
        self._left = live.path + b"/"

    def _goes(self, live: Live) -> bool:
        """Whether a restore would try to remove a live path that the archive lacks."""
        is_extra = self._mode is Mode.REPLACE and self._chosen.covers(live.path)
        if is_extra or _is_below(live.path, self._replaced):
            return True
        return self._staying.stays(live.path) or self._staying.is_companion(live)

    def _takes(self, live: Live) -> None:
        """Count a live path as removed, unless it stays."""
        if live.found is not None and self._staying.may_go(live):
            status = live.found.status
            self._changes.add(ChangeKind.REMOVED, live.path, status.st_size if stat.S_ISREG(status.st_mode) else 0)
        else:
            self._leave(live.path, whole=not self._staying.holds(live.path))

    def _leave(self, path: bytes, *, whole: bool = True) -> None:
        """Count a path that stays; `whole`: with everything below it."""
        self._changes.add(ChangeKind.STAYS, path)
        if whole:
            self._left = path + b"/"

    def _is_left(self, path: bytes) -> bool:
        return _is_below(path, self._left)

    def _writes(self, kind: ChangeKind, entry: Entry) -> None:
        # A hard link has no content of its own.
        self._changes.writes(kind, entry.path, entry.size if entry.kind == FILE else 0)


def _path(step: Entry | Live) -> bytes:
    return step.path


def _is_below(path: bytes, folder: bytes) -> bool:
    """Whether a path lies below `folder`, which ends in a slash, or is empty for none."""
    return bool(folder) and path.startswith(folder)
