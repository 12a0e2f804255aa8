"""Live paths that a restore neither removes nor replaces, because no backup could bring them back.

The rule is the one that packing has: a file or folder that this process cannot read, a device, FIFO or socket is in no
backup, so not in the safety backup either. A path that the backup left out for any other reason is not in it, though
it was there; it goes all the same when it is a companion of a file that comes back, which it would corrupt. The name
at which a place begins (see `sidecar.places`) stays, though what is in it may go; what is mounted and no place stays
with all that is in it. A folder that holds one of these stays with it.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sidecar.archive.report import WarningKind, WarningLog
from sidecar.archive.scan import Found, entry_open, tree_walk, warning_kind
from sidecar.places.mounts import Mounts
from sidecar.places.places import Place, Places
from sidecar.restore.path_table import PathTable
from sidecar.restore.records import records_read
from sidecar.restore.workspace import STAYING, Workspace
from sidecar_client.listing import Listing, ListingDamaged, ListingRefused

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

    def look(
        self,
        found: Found,
        *,
        companion: bool = False,
        as_link: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> int | None:
        """Return how many paths there are at and below a live one, None when it or something in it stays.

        `companion`: it belongs to a file that comes back. `as_link`: where it is a link, nothing is done behind it.
        `check` is called for each of them. Raise SourceFailed when the disk fails.
        """
        if as_link and stat.S_ISLNK(found.status.st_mode) and not self._left_out.get(found.path):
            return 1
        if kind := self._reason(found, companion=companion):
            self._stay(kind, found.path)
            return None
        if place := self._begins(found):
            self._stay(place.kind, found.path, how=Stay.HOLDS)
            self._look_below(found, check)
            return None
        return self._look_below(found, check) if stat.S_ISDIR(found.status.st_mode) else 1

    def is_left(self, found: Found) -> bool:
        """Whether a live path is mounted or leads out, and no place: it stays, even if it is as the backup has it."""
        return self._left(found) is not None

    def is_followed(self, found: Found) -> bool:
        """Whether a live folder is one behind a link."""
        place = self._places.linked(found.path, found.name, at=found.folder)
        return place is not None and bool(place.link)

    def look_here(self, found: Found) -> bool:
        """Whether a live path stays for what it is itself; nothing below it is looked at."""
        kind = self._reason(found)
        if kind:
            self._stay(kind, found.path)
        return kind is not None

    def _look_below(self, top: Found, check: Callable[[], None]) -> int | None:
        count, inside = 1, b""
        holds = False

        def stay(kind: WarningKind, path: bytes) -> None:
            nonlocal holds
            # A path below one that stays wholly stays with it, and takes nothing of it back.
            if kind is not WarningKind.VANISHED and not (inside and path.startswith(inside)):
                holds = True
                self._stay(kind, path, top=top.path)

        place = self._begins(top)
        fd = os.dup(place.fd) if place else entry_open(top.name, top.folder, os.O_DIRECTORY)
        try:
            with contextlib.closing(tree_walk(fd, warn=stay, below=top.path, places=self._places)) as walk:
                for found in walk:
                    check()
                    if inside and found.path.startswith(inside):
                        continue
                    count += 1
                    if place := self._begins(found):
                        holds = True
                        self._stay(place.kind, found.path, top=top.path, how=Stay.HOLDS)
                    elif kind := self._reason(found):
                        stay(kind, found.path)
                        inside = found.path + b"/"
        finally:
            os.close(fd)
        return None if holds else count

    def _stay(self, kind: WarningKind, path: bytes, *, top: bytes | None = None, how: Stay = Stay.WHOLE) -> None:
        """Take note of a path that stays, and of the folders that hold it, from `top` down."""
        self._stays.set(path, how)
        self._tell(kind, path)
        folder = path
        while top is not None and folder != top:
            folder = folder.rpartition(b"/")[0]
            if self.known(folder) is Stay.HOLDS:
                return
            self._stays.set(folder, Stay.HOLDS)
            self._tell(WarningKind.HOLDS, folder)

    def _reason(self, found: Found, *, companion: bool = False) -> WarningKind | None:
        if not companion and self._left_out.get(found.path):
            return WarningKind.LEFT_OUT
        if self._begins(found):
            return None
        return self._left(found) or _unreadable(found)

    def _begins(self, found: Found) -> Place | None:
        return self._places.met(found.path, found.name, at=found.folder)

    def _left(self, found: Found) -> WarningKind | None:
        if self._begins(found):
            return None
        left = self._places.left_at(found.path)
        if left is WarningKind.LINKED_OUT:
            return left if self._places.linked(found.path, found.name, at=found.folder) else None
        is_point = self._mounts.is_point(found.path, found.status, folder=found.folder)
        return WarningKind.MOUNTED if left or is_point else None


def _unreadable(found: Found) -> WarningKind | None:
    """Why a path would be in no backup, if it would not."""
    kind = stat.S_IFMT(found.status.st_mode)
    if kind == stat.S_IFLNK:
        return None
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        return WarningKind.SKIPPED
    try:
        fd = entry_open(found.name, found.folder)
        try:
            if kind == stat.S_IFDIR:
                os.stat(b".", dir_fd=fd)  # what is in it can be reached
        finally:
            os.close(fd)
    except OSError as error:
        reason = warning_kind(error)
        return None if reason is WarningKind.VANISHED else reason
    return None


class StayingPaths:
    """The paths that stay, as an extraction's plan has them, for its exchange."""

    def __init__(self, workspace: Workspace) -> None:
        self._paths = PathTable()
        self._any = False
        for _, path in staying_listed(workspace):
            self._paths.set(path, 1)
            self._any = True

    def cover(self, path: bytes) -> bool:
        """Whether a path, or a folder above it, is one of them."""
        while self._any and path:
            if self._paths.get(path):
                return True
            path = path.rpartition(b"/")[0]
        return False


def left_out_read(listing: Path | None) -> PathTable:
    """The paths that a backup left out, as its listing says: nothing without one, or beyond where it is damaged.

    A listing that is lost costs no restore: what the live tree itself says still holds.
    """
    left_out = PathTable()
    if listing is None or not listing.exists():
        return left_out
    with listing.open("rb") as file, contextlib.suppress(ListingDamaged, ListingRefused):
        for path in Listing(iter(lambda: file.read(_READ_BYTES), b"")).left_out():
            left_out.set(path, 1)
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
