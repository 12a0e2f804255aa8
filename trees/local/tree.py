"""A local folder as the source of snapshots."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trees.beneath import Root
from trees.local.file import LocalFile, entry_open, user_attributes
from trees.local.scan import LocalEntries, reason
from trees.sectors.map import SectorMap
from trees.source import Kind, SourceEntry, SourceGone
from trees.trust import machine_started_ns

# The clock of file times. It lags a few ms, so a file written from now on never has an earlier time.
_CLOCK_REALTIME_COARSE: Final = 5


class LocalTree:
    """The files below a folder of this machine; nothing outside it is ever opened.

    `begin` opens `root`. With a sector map, files opened in place are compared by sector.
    """

    def __init__(self, root: Path, *, sector_map: SectorMap | None = None) -> None:
        self._path = root
        self._root: Root | None = None
        self._sector_map = sector_map

    def begin(self, parent: bytes | None) -> int:
        """Begin a snapshot with that parent; return the earliest time, in ns, of files written from now on.

        Raises `SourceGone` when the root cannot be opened.
        """
        now = time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
        self._root = _root_open(self._path)
        if self._sector_map is not None:
            self._sector_map.begin(parent)
        return now

    def started(self) -> int:
        """The time at which this machine started, in ns since 1970."""
        return machine_started_ns()

    def scan(self) -> Iterator[SourceEntry]:
        """All entries, in the manifest's order. Raises `SourceGone` when the root cannot be listed."""
        entries = iter(LocalEntries(self._open_root()))
        return entries if self._sector_map is None else _noted(entries, self._sector_map)

    def xattrs(self, entry: SourceEntry) -> dict[bytes, bytes] | None:
        """The `user.*` attributes of a folder, or None when there are none. Raises `SourceGone`."""
        descriptor, _ = entry_open(self._open_root(), entry)
        try:
            return user_attributes(descriptor)
        finally:
            os.close(descriptor)

    def open(self, entry: SourceEntry, *, in_place: bool) -> LocalFile:
        """The file of that entry, as a context manager; entering it may raise `SourceGone`."""
        tags = None
        if self._sector_map is not None and in_place:
            tags = self._sector_map.file_tags(entry.path)
        elif self._sector_map is not None:
            self._sector_map.superseded(entry.path)
        return LocalFile(self._open_root(), entry, tags=tags)

    def commit(self, snapshot: bytes) -> None:
        """Make the sector map describe that snapshot, which is stored."""
        if self._sector_map is not None:
            self._sector_map.commit(snapshot)

    def _open_root(self) -> Root:
        root = self._root
        if root is None:
            root = self._root = _root_open(self._path)
        return root


def _root_open(path: Path) -> Root:
    try:
        return Root(path)
    except OSError as error:
        raise SourceGone(f"the root cannot be opened: {reason(error)}") from error


def _noted(entries: Iterator[SourceEntry], sector_map: SectorMap) -> Iterator[SourceEntry]:
    for entry in entries:
        if entry.kind is Kind.FILE:
            sector_map.found(entry.path)
        yield entry
    sector_map.scanned()
