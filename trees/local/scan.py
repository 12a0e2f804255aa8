"""The entries of a local folder, in a snapshot's terms."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import chain
from typing import Final

from trees.beneath import Root
from trees.limits import DEPTH_MAX
from trees.source import Kind, Left, SourceEntry, SourceFailed, SourceGone
from trees.trust import stat_from
from trees.walk import (
    NAME_BYTES_MAX,
    Bounds,
    Exclusion,
    LinkIdentity,
    Places,
    Reason,
    link_identity,
    reason_of,
    tree_walk,
)

PATH_BYTES_MAX: Final = 65535 - NAME_BYTES_MAX - 1
"""The manifest's limit for a path, less a name and its slash: an entry that is left out needs a record, too."""

# Something else in an entry's place, or its folder elsewhere, has not vanished: no restore may take that away.
_LEFT: Final = {Reason.VANISHED: Left.VANISHED, Reason.NO_FILE: Left.SKIPPED}


class LocalEntries:
    """Every entry of the tree in the manifest's order, the root first; to be gone through once.

    Memory is that of the walk, and of the hard links whose other names are still to come. Raises `SourceFailed` for an
    error that is not about one entry alone, `SourceGone` when it is about the root.
    """

    def __init__(
        self, root: Root, places: Places | None = None, exclusion: Exclusion[SourceEntry] | None = None
    ) -> None:
        self.links: dict[LinkIdentity, tuple[bytes, int]] = {}
        """The first name of files with several, and how many of their names are still to come."""
        self._root = root.descriptor
        self._places = places
        self._exclusion = exclusion

    def __iter__(self) -> Iterator[SourceEntry]:
        bounds = Bounds(depth=DEPTH_MAX, path_bytes=PATH_BYTES_MAX)
        top = SourceEntry(Kind.FOLDER, b"", stat_from(os.fstat(self._root)), 0, None)
        walk = tree_walk(
            self._root,
            found=self._found,
            left_out=self._left_out,
            bounds=bounds,
            places=self._places,
            exclusion=self._exclusion,
        )
        return chain([top], walk)

    def _found(self, path: bytes, name: bytes, folder: int, status: os.stat_result) -> SourceEntry:
        """The source's entry for an entry of the walk. Raises OSError."""
        if stat.S_ISREG(status.st_mode):
            # Nearly all have one name: a call less for each of a million counts.
            identity = None if status.st_nlink == 1 else link_identity(status)
            if identity is None:
                return SourceEntry(Kind.FILE, path, stat_from(status), status.st_size, None)
            return self._linked(path, status, identity)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            return SourceEntry(Kind.FOLDER, path, stat_from(status), 0, None)
        if kind == stat.S_IFLNK:
            return SourceEntry(Kind.SYMLINK, path, stat_from(status), 0, os.readlink(name, dir_fd=folder))
        return SourceEntry(Kind.SKIPPED, path, None, 0, Left.SKIPPED.encode())

    def _left_out(self, path: bytes, error: OSError) -> SourceEntry:
        """The skipped entry for a path that cannot be examined."""
        if not path:
            raise SourceGone(f"the root cannot be listed: {os.strerror(error.errno or 0)}") from error
        return SourceEntry(Kind.SKIPPED, path, None, 0, reason(error).encode())

    def _linked(self, path: bytes, status: os.stat_result, identity: LinkIdentity) -> SourceEntry:
        """The entry of a file with several names: a link to its first name, or a file if that is not certain."""
        first, names = self.links.get(identity, (None, status.st_nlink))
        if names > 1:
            self.links[identity] = (first or path, names - 1)
        else:
            # A file may get further names during the walk: such a name becomes a file of its own.
            self.links.pop(identity, None)
        if first is None:
            return SourceEntry(Kind.FILE, path, stat_from(status), status.st_size, None)
        return SourceEntry(Kind.HARDLINK, path, stat_from(status), 0, first)


def reason(error: OSError) -> Left:
    """The reason to list for an error at one entry, of every format of backup.

    A disk that fails at one entry makes that one unreadable. Raises `SourceFailed` when the error concerns more.
    """
    why = reason_of(error)
    if why is Reason.EXHAUSTED:
        raise SourceFailed(os.strerror(error.errno or 0)) from error
    return _LEFT.get(why, Left.UNREADABLE)
