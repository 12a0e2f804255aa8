"""Live paths that a restore neither removes nor replaces: no backup could bring them back, or nothing moves them.

The rule is the one that packing has: a file or folder that this process cannot read, a device, FIFO or socket is in no
backup, so not in the safety backup either. A path that was there and that the backup could not take is not in it. The
name at which a place begins (see `sidecar.places`) stays, though what is in it may go; what is mounted and no place
stays with all that is in it. So does a name that this process cannot move. A folder that holds one of these stays with
it.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sidecar.archive.report import WarningLog
from sidecar.places.mounts import Mounts
from sidecar.places.places import Place, Places
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.workspace.records import records_read
from sidecar.restore.workspace.workspace import STAYING, UNSET, Workspace
from sidecar.scan import tree_walk, warning_kind
from trees.beneath import open_for_reading
from trees.fixed import is_fixed
from trees.walk import Found
from wire.enums import WarningKind
from wire.listing import Listing, ListingDamaged, ListingRefused

_READ_BYTES = 1 << 20


class Stay(enum.IntEnum):
    """Whether a path that was looked at goes, stays with all below it, or stays because of some of it."""

    GOES = 0
    WHOLE = 1
    HOLDS = 2


class Staying:
    """Decides which live paths stay before anything takes their names. Each is told once to `tell`."""

    def __init__(
        self, places: Places, *, tell: Callable[[WarningKind, bytes], None], left_out: PathTable | None = None
    ) -> None:
        self._places = places
        self._mounts = Mounts(places.root.fd)
        for place in places.used:
            if place.link:
                self._mounts.look_below(place.fd, place.path)
        self._left_out = left_out or PathTable()
        self._tell = tell
        self._stays = PathTable()

    def known(self, path: bytes) -> Stay:
        """The decision on a path that was looked at, or lies below one that was."""
        return Stay(self._stays.get(path))

    def covers(self, path: bytes) -> bool:
        """Whether a path stays wholly, itself or with a folder that it is in."""
        while path and self.known(path) is not Stay.WHOLE:
            path = path.rpartition(b"/")[0]
        return bool(path)

    def look(self, found: Found, *, as_link: bool = False, check: Callable[[], None] = lambda: None) -> int | None:
        """Return how many paths there are at and below a live one, None when it or something in it stays.

        `as_link`: where it is a link, nothing is done behind it. `check` is called for each of them. Raise SourceFailed
        when the disk fails.
        """
        as_link = as_link and stat.S_ISLNK(found.status.st_mode)
        if kind := self._reason_of_link(found) if as_link else self._reason(found, moves=True):
            self.stay(kind, found.path)
            return None
        if as_link:
            return 1
        if place := self._begins(found):
            self._stay_around(place)
            self._look_below(found, check)
            return None
        return self._look_below(found, check) if stat.S_ISDIR(found.status.st_mode) else 1

    def is_followed(self, found: Found) -> bool:
        """Whether a live folder is one behind a link."""
        place = self._places.linked(found.path, found.name, at=found.folder)
        return place is not None and bool(place.link)

    def look_here(self, found: Found) -> bool:
        """Whether a live folder stays with all that is in it. It keeps its name; nothing below it is looked at."""
        kind = self._reason(found, moves=False)
        if kind:
            self.stay(kind, found.path)
        return kind is not None

    def reason(self, found: Found) -> WarningKind | None:
        """Why a live file would stay if its name were taken away or replaced, None when it would not."""
        return self._reason(found, moves=True)

    def stay(self, kind: WarningKind, path: bytes) -> None:
        """Decide that a path stays as it is, with all below it."""
        if self.known(path) is not Stay.WHOLE:
            self._stays.set(path, Stay.WHOLE)
            self._tell(kind, path)

    def _look_below(self, top: Found, check: Callable[[], None]) -> int | None:
        count, inside = 1, b""
        holds = False

        def stay(kind: WarningKind, path: bytes) -> None:
            nonlocal holds
            # A path below one that stays wholly stays with it, and takes nothing of it back.
            if kind is not WarningKind.VANISHED and not (inside and path.startswith(inside)):
                holds = True
                self.stay(kind, path)
                self._hold(path, top=top.path)

        place = self._begins(top)
        fd = os.dup(place.fd) if place else open_for_reading(top.name, top.folder, os.O_DIRECTORY)
        try:
            with contextlib.closing(tree_walk(fd, warn=stay, below=top.path, places=self._places)) as walk:
                for found in walk:
                    check()
                    if inside and found.path.startswith(inside):
                        continue
                    count += 1
                    if place := self._begins(found):
                        holds = True
                        self._stay_around(place)
                        self._hold(found.path, top=top.path)
                    elif kind := self._reason(found, moves=True):
                        stay(kind, found.path)
                        inside = found.path + b"/"
        finally:
            os.close(fd)
        return None if holds else count

    def _stay_around(self, place: Place) -> None:
        """Decide that the name at which a place begins stays."""
        if self.known(place.path) is Stay.GOES:
            self._stays.set(place.path, Stay.HOLDS)
            self._tell(place.kind, place.path)

    def _hold(self, path: bytes, *, top: bytes) -> None:
        """Take note of the folders that hold a path that stays, from `top` down."""
        folder = path
        while folder != top:
            folder = folder.rpartition(b"/")[0]
            if self.known(folder) is Stay.HOLDS:
                return
            self._stays.set(folder, Stay.HOLDS)
            self._tell(WarningKind.HOLDS, folder)

    def _reason(self, found: Found, *, moves: bool) -> WarningKind | None:
        """Why a live path stays, None when it does not; `moves`: its name is to be taken away or replaced."""
        if self._left_out.get(found.path):
            return WarningKind.LEFT_OUT
        if self._begins(found):
            return None
        return self.left(found) or _reason_of_kind(found, moves=moves)

    def _reason_of_link(self, found: Found) -> WarningKind | None:
        if self._left_out.get(found.path):
            return WarningKind.LEFT_OUT
        return WarningKind.FIXED if is_fixed(found.status, folder=found.folder) else None

    def _begins(self, found: Found) -> Place | None:
        return self._places.met(found.path, found.name, at=found.folder)

    def left(self, found: Found) -> WarningKind | None:
        """Why a live path that is mounted or leads out, and is no place, stays, even if it is as the backup has it."""
        if self._begins(found):
            return None
        left = self._places.left_at(found.path)
        if left is WarningKind.LINKED_OUT:
            return left if self._places.linked(found.path, found.name, at=found.folder) else None
        is_point = self._mounts.is_point(found.path, found.status, folder=found.folder)
        return WarningKind.MOUNTED if left or is_point else None


def _reason_of_kind(found: Found, *, moves: bool) -> WarningKind | None:
    """Why a path would be in no backup, or cannot be moved."""
    kind = stat.S_IFMT(found.status.st_mode)
    if kind == stat.S_IFLNK:
        return WarningKind.FIXED if moves and is_fixed(found.status, folder=found.folder) else None
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        return WarningKind.SKIPPED
    try:
        return _reason_opened(found, moves=moves)
    except OSError as error:
        reason = warning_kind(error)
        return None if reason is WarningKind.VANISHED else reason


def _reason_opened(found: Found, *, moves: bool) -> WarningKind | None:
    """Why a live file or folder stays. Raises OSError when it cannot be read."""
    fd = open_for_reading(found.name, found.folder)
    try:
        if stat.S_ISDIR(found.status.st_mode):
            os.stat(b".", dir_fd=fd)  # what is in it can be reached
        return WarningKind.FIXED if moves and is_fixed(found.status, folder=found.folder, fd=fd) else None
    finally:
        os.close(fd)


class StayingPaths:
    """The paths that stay, as an extraction's plan has them, for its exchange."""

    def __init__(self, workspace: Workspace) -> None:
        self._paths = PathTable()
        self._unset = PathTable()
        self._any = False
        for path in _unset_listed(workspace):
            self._unset.set(path, 1)
        for _, path in staying_listed(workspace):
            if not self._unset.get(path):
                self._paths.set(path, 1)
            self._any = True

    def cover(self, path: bytes) -> bool:
        """Whether a path, or a folder above it, is one of them. A folder whose metadata alone stays covers itself."""
        if self._any and self._unset.get(path):
            return True
        while self._any and path:
            if self._paths.get(path):
                return True
            path = path.rpartition(b"/")[0]
        return False


def left_out_read(listing: Path | None) -> PathTable:
    """The paths that a backup could not take, as its listing says: nothing without one, or beyond where it is damaged.

    A path that vanished before it was read is none of them: it was not there, so a restore takes it away like any other
    that the backup does not have.
    A listing that is lost costs no restore: what the live tree itself says still holds.
    """
    left_out = PathTable()
    if listing is None or not listing.exists():
        return left_out
    with listing.open("rb") as file, contextlib.suppress(ListingDamaged, ListingRefused):
        for entry in Listing(iter(lambda: file.read(_READ_BYTES), b"")).left_out():
            if not entry.vanished:
                left_out.set(entry.path, 1)
    return left_out


def staying_read(workspace: Workspace) -> WarningLog:
    """The paths that stay, as an extraction's plan has them."""
    told = WarningLog()
    for kind, path in staying_listed(workspace):
        told.add(kind, path)
    return told


def staying_listed(workspace: Workspace) -> Iterator[tuple[WarningKind, bytes]]:
    """Each path that stays, with its reason."""
    if not workspace.has_list(STAYING):
        return
    with workspace.list_read(STAYING) as staying:
        for kind, path in records_read(staying):
            yield WarningKind(kind.decode()), path


def _unset_listed(workspace: Workspace) -> Iterator[bytes]:
    if workspace.has_list(UNSET):
        with workspace.list_read(UNSET) as unset:
            for (path,) in records_read(unset):
                yield path
