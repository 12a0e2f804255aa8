"""A local folder as the source of snapshots."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from trees.beneath import Root, open_for_reading
from trees.folders import fd_closing
from trees.local.file import LocalFile, Openable, Pace, entry_open, user_attributes
from trees.local.scan import LocalEntries, reason
from trees.sectors.map import SectorMap
from trees.source import Kind, SourceEntry, SourceGone, Wanted
from trees.trust import machine_started_ns, stat_from
from trees.walk import Exclusion, Places

# The clock of file times. It lags a few ms, so a file written from now on never has an earlier time.
_CLOCK_REALTIME_COARSE: Final = 5


class PlacedParts(Places, Protocol):
    """The folders behind links that a tree includes, and the way to what is in them."""

    def way(self, path: bytes) -> tuple[int, bytes] | None:
        """The open folder behind the last link on the way to a path, and the rest of the path; None without one."""
        ...


class LocalTree:
    """The files below a folder of this machine; nothing outside it is ever opened, but for followed links.

    `begin` opens `root`, `places` then finds the links that are followed, and `exclude` the entries to leave out. With
    a sector map, files opened in place are compared by sector. `pace` is called before each read of content.
    """

    ahead = 0

    def __init__(
        self,
        root: Path,
        *,
        sector_map: SectorMap | None = None,
        places: Callable[[int], PlacedParts] | None = None,
        exclude: Callable[[int], Exclusion[SourceEntry]] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._path = root
        self._root: Root | None = None
        self._sector_map = sector_map
        self._find = places
        self._places: PlacedParts | None = None
        self._opened: Openable | None = None
        self._exclude = exclude
        self._exclusion: Exclusion[SourceEntry] | None = None
        self._pace = pace

    def begin(self, parent: bytes | None) -> int:
        """Begin a snapshot with that parent; return the earliest time, in ns, of files written from now on.

        Raises `SourceGone` when the root cannot be opened.
        """
        now = time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
        self._root = None
        self._open_root()
        if self._sector_map is not None:
            self._sector_map.begin(parent)
        return now

    def started(self) -> int:
        """The time at which this machine started, in ns since 1970."""
        return machine_started_ns()

    def scan(self) -> Iterator[SourceEntry]:
        """All entries, in the manifest's order. Raises `SourceGone` when the root cannot be listed."""
        entries = iter(LocalEntries(self._open_root(), self._places, self._exclusion))
        return entries if self._sector_map is None else _noted(entries, self._sector_map)

    def xattrs(self, entry: SourceEntry) -> dict[bytes, bytes] | None:
        """The `user.*` attributes of a folder, or None when there are none. Raises `SourceGone`."""
        descriptor, _ = entry_open(self._openable(), entry)
        try:
            return user_attributes(descriptor)
        finally:
            os.close(descriptor)

    def expect(self, wanted: Sequence[Wanted]) -> None:
        """Do nothing: a file of this machine is opened at once."""

    def open(self, entry: SourceEntry, *, in_place: bool, span: tuple[int, int] | None = None) -> LocalFile:  # noqa: ARG002
        """The file of that entry, as a context manager; entering it may raise `SourceGone`."""
        tags = None
        if self._sector_map is not None and in_place:
            tags = self._sector_map.file_tags(entry.path)
        elif self._sector_map is not None:
            self._sector_map.superseded(entry.path)
        return LocalFile(self._openable(), entry, tags=tags, pace=self._pace)

    def look(self, path: bytes) -> SourceEntry | None:
        """The file that is at a path now; None when there is none that can be read."""
        try:
            descriptor = self._openable().open(path)
        except OSError:
            return None
        with fd_closing(descriptor) as opened:
            status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            return None
        return SourceEntry(Kind.FILE, path, stat_from(status), status.st_size, None)

    def finish(self) -> dict[str, str]:
        """No labels: a folder says nothing of its consistency."""
        return {}

    def commit(self, snapshot: bytes) -> None:
        """Make the sector map describe that snapshot, which is stored."""
        if self._sector_map is not None:
            self._sector_map.commit(snapshot)

    def close(self) -> None:
        """Close the root, and discard what was not committed. A file that is open stays open."""
        if self._sector_map is not None:
            self._sector_map.close()
        if self._root is not None:
            self._root.close()

    def _open_root(self) -> Root:
        root = self._root
        if root is None:
            root = self._root = _root_open(self._path)
            self._opened = root
            if self._find is not None:
                self._places = self._find(root.descriptor)
                self._opened = _Placed(root, self._places)
            if self._exclude is not None:
                self._exclusion = self._exclude(root.descriptor)
        return root

    def _openable(self) -> Openable:
        return self._opened or self._open_root()


class _Placed:
    """A root with followed links."""

    def __init__(self, root: Root, places: PlacedParts) -> None:
        self._root = root
        self._places = places

    def open(self, path: bytes) -> int:
        """As `Root.open`, from the last followed link on the way on."""
        way = self._places.way(path)
        if way is None:
            return self._root.open(path)
        folder, rest = way
        return open_for_reading(rest or b".", folder)


def _root_open(path: Path) -> Root:
    try:
        return Root(path)
    except OSError as error:
        reason(error)
        raise SourceGone(f"the root cannot be opened: {os.strerror(error.errno or 0)}") from error


def _noted(entries: Iterator[SourceEntry], sector_map: SectorMap) -> Iterator[SourceEntry]:
    for entry in entries:
        if entry.kind is Kind.FILE:
            sector_map.found(entry.path)
        yield entry
    sector_map.scanned()
