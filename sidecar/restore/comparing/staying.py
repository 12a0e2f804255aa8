"""Decides which live paths stay: a restore neither removes nor replaces a path that no backup could bring back, or
that cannot be moved.

These paths stay:
- a file or folder that this process cannot read, a device, FIFO or socket: packing leaves it out, so the safety backup
  does not have it either;
- a path that the restored backup had left out, because it could not be read or because a pattern said so;
- the name at which a place begins (see `sidecar.places`), though the place's content may be removed;
- a mount that is no place, with everything in it;
- a name that this process cannot move;
- a folder that holds one of these.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
from collections.abc import Callable, Iterable, Iterator
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
_BY_FAULT, _ON_PURPOSE = 1, 2
_LEFT_OUT = {_BY_FAULT: WarningKind.LEFT_OUT, _ON_PURPOSE: WarningKind.EXCLUDED}


class Stay(enum.IntEnum):
    """The decision on a path: it goes, stays with everything below it, or stays because of an entry below it."""

    GOES = 0
    WHOLE = 1
    HOLDS = 2


class Staying:
    """Decides which live paths stay before their names change. Calls `tell` once for each path that stays."""

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
        """The decision on a path that was checked, or lies below one that was."""
        return Stay(self._stays.get(path))

    def covers(self, path: bytes) -> bool:
        """Whether a path stays with everything below it, by itself or with a folder above it."""
        while path and self.known(path) is not Stay.WHOLE:
            path = path.rpartition(b"/")[0]
        return bool(path)

    def look(self, found: Found, *, as_link: bool = False, check: Callable[[], None] = lambda: None) -> int | None:
        """Count the paths at and below a live one; return None when it or an entry below it stays.

        `as_link`: take a link as a link, and do not follow it. `check` is called for each path. Raise SourceFailed
        when descriptors or memory run out.
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
        """Whether a live folder lies behind a followed link."""
        place = self._places.linked(found.path, found.name, at=found.folder)
        return place is not None and bool(place.link)

    def look_here(self, found: Found) -> bool:
        """Whether a live folder that keeps its name stays with everything in it. Nothing below it is checked."""
        kind = self._reason(found, moves=False)
        if kind:
            self.stay(kind, found.path)
        return kind is not None

    def reason(self, found: Found) -> WarningKind | None:
        """Why a live file would stay if its name were removed or replaced; None when it would not."""
        return self._reason(found, moves=True)

    def stay(self, kind: WarningKind, path: bytes) -> None:
        """Decide that a path stays as it is, with everything below it."""
        if self.known(path) is not Stay.WHOLE:
            self._stays.set(path, Stay.WHOLE)
            self._tell(kind, path)

    def _look_below(self, top: Found, check: Callable[[], None]) -> int | None:
        count, inside = 1, b""
        holds = False

        def stay(kind: WarningKind, path: bytes) -> None:
            nonlocal holds
            # A path below a wholly staying one changes nothing about that decision.
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
        """Mark the folders from `top` down that hold a staying path."""
        folder = path
        while folder != top:
            folder = folder.rpartition(b"/")[0]
            if self.known(folder) is Stay.HOLDS:
                return
            self._stays.set(folder, Stay.HOLDS)
            self._tell(WarningKind.HOLDS, folder)

    def _reason(self, found: Found, *, moves: bool) -> WarningKind | None:
        """Why a live path stays, None when it does not. `moves`: its name is to be removed or replaced."""
        if why := self._left_out.get(found.path):
            return _LEFT_OUT[why]
        if self._begins(found):
            return None
        return self.left(found) or _reason_of_kind(found, moves=moves)

    def _reason_of_link(self, found: Found) -> WarningKind | None:
        if why := self._left_out.get(found.path):
            return _LEFT_OUT[why]
        return WarningKind.FIXED if is_fixed(found.status, folder=found.folder) else None

    def _begins(self, found: Found) -> Place | None:
        return self._places.met(found.path, found.name, at=found.folder)

    def left(self, found: Found) -> WarningKind | None:
        """Why a live mount, or link out of the root, that is no place stays, even if it matches the backup."""
        if self._begins(found):
            return None
        left = self._places.left_at(found.path)
        if left is WarningKind.LINKED_OUT:
            return left if self._places.linked(found.path, found.name, at=found.folder) else None
        is_point = self._mounts.is_point(found.path, found.status, folder=found.folder)
        return WarningKind.MOUNTED if left or is_point else None


def _reason_of_kind(found: Found, *, moves: bool) -> WarningKind | None:
    """Why no backup takes a path of this kind, or why it cannot be moved."""
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
            os.stat(b".", dir_fd=fd)  # raises unless its content is reachable
        return WarningKind.FIXED if moves and is_fixed(found.status, folder=found.folder, fd=fd) else None
    finally:
        os.close(fd)


class StayingPaths:
    """The staying paths of an extraction's plan, for its exchange."""

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
        """Whether a path, or a folder above it, stays. A folder whose metadata alone stays covers only itself."""
        if self._any and self._unset.get(path):
            return True
        while self._any and path:
            if self._paths.get(path):
                return True
            path = path.rpartition(b"/")[0]
        return False


def left_out_read(listing: Path | None) -> PathTable:
    """The paths that a backup left out, by its listing: none without a listing, or after its damaged part.

    A path that vanished before it was read does not count: it did not exist, so a restore removes it like any other
    path that is not in the backup. A lost listing fails no restore: the rules of the live tree still apply.
    """
    if listing is None or not listing.exists():
        return PathTable()
    with listing.open("rb") as file:
        return left_out_of(iter(lambda: file.read(_READ_BYTES), b""))


def left_out_of(listing: Iterable[bytes]) -> PathTable:
    """As `left_out_read`, from the bytes of a listing."""
    left_out = PathTable()
    with contextlib.suppress(ListingDamaged, ListingRefused):
        for entry in Listing(listing).left_out():
            if not entry.vanished:
                left_out.set(entry.path, _ON_PURPOSE if entry.excluded else _BY_FAULT)
    return left_out


def staying_read(workspace: Workspace) -> WarningLog:
    """The staying paths of an extraction's plan, without those that the backup left out on purpose."""
    told = WarningLog()
    for kind, path in staying_listed(workspace):
        if kind is not WarningKind.EXCLUDED:
            told.add(kind, path)
    return told


def staying_listed(workspace: Workspace) -> Iterator[tuple[WarningKind, bytes]]:
    """Yield each staying path with its reason."""
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
