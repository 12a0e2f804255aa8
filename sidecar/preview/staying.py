"""Decides which paths a restore would leave as they are."""

from __future__ import annotations

import os
import stat
from itertools import chain

from sidecar.places.places import Places
from sidecar.preview.ahead import Ahead
from sidecar.preview.contents import LiveContents
from sidecar.preview.live import Live
from sidecar.preview.passed import Passed
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.comparing.staying import Stay, Staying
from sidecar.restore.comparing.units import LiveUnits
from trees.companions import CURRENT, is_of_store, units_of
from trees.fixed import metadata_fixed, names_fixed
from trees.folders import file_head, status_at
from trees.paths import walk_order
from trees.walk import Found
from wire.enums import WarningKind
from wire.listing import FILE, HARD_LINK, LEFT_OUT, Entry


class LiveStaying:
    """Applies the restore's own rules; `passed` gets the archive's entries in order."""

    def __init__(self, places: Places, entries: Ahead, contents: LiveContents) -> None:
        self.passed = Passed()
        self._tree = places.tree()
        self._entries = entries
        self._contents = contents
        self._staying = Staying(places, tell=lambda _kind, _path: None)
        self._units = LiveUnits(self._staying, archived=self._archived_head, reason=self._reason)
        self._left_out = PathTable()
        self._looked = b""
        self._turn = b""

    def close(self) -> None:
        """Close the descriptor."""
        self._tree.close()

    def stays(self, path: bytes) -> bool:
        """Whether a path is known to stay."""
        return self._staying.known(path) is Stay.WHOLE

    def holds(self, path: bytes) -> bool:
        """Whether a folder is known to stay because of an entry in it."""
        return self._staying.known(path) is Stay.HOLDS

    def is_left(self, live: Live) -> bool:
        """Whether a live path is a mount, or a link out of the root, that is no place."""
        kind = self._staying.left(live.found) if live.found else None
        if kind:
            self._staying.stay(kind, live.path)
        return kind is not None

    def is_followed(self, live: Live) -> bool:
        """Whether a live folder lies behind a followed link."""
        return live.found is not None and self._staying.is_followed(live.found)

    def is_closed(self, live: Live) -> bool:
        """Whether a live folder stays with everything in it."""
        return live.found is not None and self._staying.look_here(live.found)

    def keeps_metadata(self, live: Live) -> bool:
        """Whether a live folder's permissions and owner cannot be set; its content may still change."""
        try:
            folder = self._tree.open_folder(live.path)
        except OSError:
            return False  # deleted or replaced meanwhile
        try:
            return metadata_fixed(folder)
        finally:
            os.close(folder)

    def is_told_left_out(self, live: Live) -> bool:
        """Record a live path that the backup left out. Return whether a restore reports it in every mode, because it
        would write another file of its unit.
        """
        is_known = self.stays(live.path)
        self._left_out.set(live.path, 1)
        within, name = live.path[: live.path.rfind(b"/") + 1], live.path.rpartition(b"/")[2]
        companions = (others for main, others in units_of(name) if main == name and others is not None)
        return is_known or any(self._is_written(within + other, live.found) for other in chain(*companions))

    def _is_written(self, path: bytes, beside: Found | None) -> bool:
        """Whether a restore would write, or try to write, a path of the archive beside a live one."""
        entry = self._entries.find(path)
        if entry is None or not _is_file(entry):
            return False
        name = path.rpartition(b"/")[2]
        status = status_at(name, at=beside.folder) if beside else None
        found = Found(path, name, beside.folder, status) if beside and status else None
        return not self._contents.is_kept(entry, found)

    def is_companion(self, live: Live) -> bool:
        """Whether a live file that the archive lacks is a companion of one that it has."""
        found = live.found
        if found is None or not stat.S_ISREG(found.status.st_mode):
            return False
        if self.passed.take_along(live.path, at=found.folder):
            return True
        current = live.path[: live.path.rfind(b"/") + 1] + CURRENT
        is_of_archived = is_of_store(found.name) and (
            self.passed.has_store(current) or _is_file(self._entries.find(current))
        )
        return is_of_archived and self._units.hold(live.path, at=found.folder)

    def may_go(self, live: Live) -> bool:
        """Whether a restore may remove or replace a live path with everything below it."""
        self._turn = walk_order(live.path)
        if live.found is None or self._staying.known(live.path) is not Stay.GOES:
            return False
        if self._units.hold(live.path, at=live.found.folder):
            return False
        if self._looked and live.path.startswith(self._looked):
            return True
        goes = self._staying.look(live.found, check=self._contents.check)
        self._looked = live.path + b"/"
        return goes is not None

    def keeps_out(self, path: bytes) -> bool:
        """Whether a missing path cannot be made."""
        self._turn = walk_order(path)
        try:
            folder = self._tree.open_folder(path.rpartition(b"/")[0])
        except OSError:
            return False  # another entry in the place of its folder is replaced first
        try:
            return names_fixed(folder) or self._units.hold(path, at=folder)
        finally:
            os.close(folder)

    def _archived_head(self, path: bytes, at: int) -> bytes | None:
        """The first bytes of the archive's file at a path, as far as known: the listing has only its name."""
        name = path.rpartition(b"/")[2]
        if is_of_store(name):
            return file_head(name, at=at)
        head = self.passed.head(path, at=at)
        if head is None and _is_file(self._entries.find(path)):
            return file_head(name, at=at) or b""
        return head

    def _reason(self, found: Found) -> WarningKind | None:
        """Why a live file of a unit stays; None when it may change, or matches the archive.

        A live file that the walk passed without a change matches.
        """
        if walk_order(found.path) < self._turn:
            return WarningKind.LEFT_OUT if self._left_out.get(found.path) else None
        entry = self._entries.find(found.path)
        if entry is None:
            return self._staying.reason(found)
        if entry.kind == LEFT_OUT and not entry.vanished:
            return WarningKind.LEFT_OUT
        reason = self._staying.reason(found)
        may_be_kept = reason is not None and reason is not WarningKind.MOUNTED
        return None if may_be_kept and self._contents.is_kept(entry, found) else reason


def _is_file(entry: Entry | None) -> bool:
    return entry is not None and entry.kind in (FILE, HARD_LINK)
