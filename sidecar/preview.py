"""What restoring an archive would change: its listing and the live tree, walked in the same order side by side.

Nothing is written, not even an access time where that can be left alone, and memory is that of the walk, whatever the
size of the two. The game may go on meanwhile: what is told of each path was true at its turn.
"""

import enum
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from isal import isal_zlib

from sidecar.archive.report import WarningKind
from sidecar.archive.scan import Found, entry_open, root_open, tree_walk, warning_kind
from sidecar.errors import ArchiveDamaged, ArchiveRefused
from sidecar.places.finding import NO_LINKS, places_find
from sidecar.places.links import LinkRoots
from sidecar.places.places import Places
from sidecar.restore.companions import Passed
from sidecar.restore.outcomes import Mode
from sidecar.restore.staying import Stay, Staying
from sidecar_client.listing import (
    FILE,
    FOLDER,
    HARD_LINK,
    LEFT_OUT,
    SYMLINK,
    Entry,
    Listing,
    ListingDamaged,
    ListingRefused,
    walk_order,
)

PATHS_MAX: Final = 1000
# Names can be long: those of one answer stay well below what a message may hold.
_PATHS_BYTES: Final = 1 << 20
_READ_BYTES: Final = 1 << 20
# A file system keeps time in steps of its own, the coarsest of 2 s: a change this soon before a scan may follow it.
_CLOCK_STEP_NS: Final = 2_000_000_000
_PERMISSIONS: Final = 0o777


class ChangeKind(enum.Enum):
    """What a restore would do to a path."""

    ADDED = enum.auto()
    CHANGED = enum.auto()
    REMOVED = enum.auto()
    STAYS = enum.auto()
    """It would be removed or replaced, if a backup could bring it back."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path, and the bytes of content that would be written there, or would go."""

    kind: ChangeKind
    path: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Preview:
    """Paths that would be added, changed and removed, bytes of content to be written, and some changes by name.

    `stays`: paths that would be removed or replaced, if a backup could bring them back. `more`: there are changes after
    the last one named.
    """

    added: int
    changed: int
    removed: int
    bytes: int
    changes: tuple[Change, ...]
    more: bool
    stays: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Which changes are named: those after a path, in the order of the walk, and how many at most."""

    after: bytes
    limit: int


def restore_preview(
    *,
    root: Path,
    listing: Iterable[bytes | memoryview],
    mode: Mode,
    page: Page,
    check: Callable[[], None],
    links: LinkRoots = NO_LINKS,
) -> Preview:
    """Compare the live tree with the listing of an archive, given in parts of any size.

    A live path that the archive lacks is removed in the mode `REPLACE` only, save below a folder that gives way to
    something else, and the companion of a file: these go in either. What no backup could bring back stays, as the
    restore decides it (`sidecar.restore.staying`). `check` is called at every step, and ends the work by raising.
    Raises ArchiveDamaged and ArchiveRefused for what is wrong with the listing, and SourceFailed.
    """
    descriptor = root_open(root)
    try:
        told = Listing(listing)
        with closing(places_find(descriptor, links)) as places, closing(_live_paths(descriptor, places)) as live:
            contents = _Contents(scanned_ns=told.started_ns, check=check)
            staying = Staying(places, tell=lambda _kind, _path: None)
            comparison = _Comparison(live, contents, staying, mode, page)
            for entry in told.entries():
                check()
                comparison.step(entry)
            comparison.finish()
    except ListingDamaged as error:
        raise ArchiveDamaged(str(error)) from error
    except ListingRefused as error:
        raise ArchiveRefused(str(error)) from error
    finally:
        os.close(descriptor)
    return comparison.preview()


class _Live(NamedTuple):
    """A live path; `found` is None for one that is there and cannot be looked at."""

    path: bytes
    found: Found | None


def _live_paths(root: int, places: Places) -> Generator[_Live, None, None]:
    """Every live path in the order of the walk, each to be looked at before the next is asked for."""
    unseen: list[_Live] = []

    def warn(kind: WarningKind, path: bytes) -> None:
        if kind is WarningKind.UNREADABLE:
            unseen.append(_Live(path, None))

    with closing(tree_walk(root, warn=warn, places=places)) as walk:
        for found in walk:
            yield from unseen
            unseen.clear()
            yield _Live(found.path, found)
    yield from unseen


class _Comparison:
    """Goes through the live paths beside the entries that it is given, and counts."""

    def __init__(self, live: Iterator[_Live], contents: "_Contents", staying: Staying, mode: Mode, page: Page) -> None:
        self._rest = live
        self._live = next(live, None)
        self._contents = contents
        self._staying = staying
        self._mode = mode
        self._page = page
        self._after = walk_order(page.after)
        self._room = _PATHS_BYTES
        self._replaced = b""
        self._looked = b""
        self._left = b""
        self._passed = Passed()
        self._counts = dict.fromkeys(ChangeKind, 0)
        self._bytes = 0
        self._changes: list[Change] = []
        self._more = False

    def step(self, entry: Entry) -> None:
        """Compare up to the archive's next entry."""
        order = walk_order(entry.path)
        while self._live is not None and walk_order(self._live.path) < order:
            self._live_only(self._live)
        if entry.kind in (FILE, HARD_LINK, FOLDER):
            self._passed.note(entry.path, is_folder=entry.kind == FOLDER)
        if self._live is None or self._live.path != entry.path:
            if entry.kind != LEFT_OUT and not self._is_left(entry.path):
                self._writes(ChangeKind.ADDED, entry)
            return
        self._both(entry, self._live)
        self._live = next(self._rest, None)

    def finish(self) -> None:
        """The archive has no more."""
        while self._live is not None:
            self._live_only(self._live)

    def preview(self) -> Preview:
        """What was counted."""
        return Preview(
            added=self._counts[ChangeKind.ADDED],
            changed=self._counts[ChangeKind.CHANGED],
            removed=self._counts[ChangeKind.REMOVED],
            bytes=self._bytes,
            changes=tuple(self._changes),
            more=self._more,
            stays=self._counts[ChangeKind.STAYS],
        )

    def _both(self, entry: Entry, live: _Live) -> None:
        """A path that the archive has, or left out, and that is live."""
        if self._is_left(entry.path):
            return
        if entry.kind == LEFT_OUT:
            self._left_out(live)
        elif live.found is not None and entry.kind != FOLDER and self._staying.is_followed(live.found):
            self._over_link(entry, live.found)
        elif live.found is not None and self._staying.is_left(live.found):
            self._leave(live.path)
        elif not self._contents.same(entry, live.found):
            if not self._may_go(live, whole=entry.kind != FOLDER or not _is_folder(live)):
                self._leave(live.path)
                return
            self._writes(ChangeKind.CHANGED, entry)
            if entry.kind != FOLDER:
                self._replaced = entry.path + b"/"

    def _over_link(self, entry: Entry, live: Found) -> None:
        """A live link that is followed gives way to what is no folder, and nothing behind it does."""
        if not self._contents.same_link(entry, live):
            self._writes(ChangeKind.CHANGED, entry)
        self._left = live.path + b"/"

    def _left_out(self, live: _Live) -> None:
        if self._is_companion(live):
            self._takes(live)
        elif self._mode is Mode.REPLACE:
            self._leave(live.path)

    def _live_only(self, live: _Live) -> None:
        self._contents.check()
        if not self._is_left(live.path) and self._goes(live):
            self._takes(live)
        self._live = next(self._rest, None)

    def _goes(self, live: _Live) -> bool:
        """Whether the archive has no place for a live path that it lacks."""
        return self._mode is Mode.REPLACE or _is_below(live.path, self._replaced) or self._is_companion(live)

    def _is_companion(self, live: _Live) -> bool:
        found = live.found
        if found is None or not stat.S_ISREG(found.status.st_mode):
            return False
        return self._passed.take_along(live.path, at=found.folder)

    def _takes(self, live: _Live) -> None:
        """A live path goes, unless it stays."""
        if live.found is not None and self._may_go(live, whole=True):
            status = live.found.status
            size = status.st_size if stat.S_ISREG(status.st_mode) else 0
            self._count(Change(ChangeKind.REMOVED, live.path, size))
        else:
            self._leave(live.path, whole=self._staying.known(live.path) is not Stay.HOLDS)

    def _may_go(self, live: _Live, *, whole: bool) -> bool:
        """Whether a restore may remove or replace a live path; with `whole`, all that is below it too."""
        if live.found is None:
            return False
        if not whole:
            return not self._staying.look_here(live.found)
        if self._staying.known(live.path) is not Stay.GOES:
            return False
        if _is_below(live.path, self._looked):
            return True
        goes = self._staying.look(live.found, check=self._contents.check)
        self._looked = live.path + b"/"
        return goes is not None

    def _leave(self, path: bytes, *, whole: bool = True) -> None:
        """A live path stays; `whole`: with everything below it."""
        self._count(Change(ChangeKind.STAYS, path, 0))
        if whole:
            self._left = path + b"/"

    def _is_left(self, path: bytes) -> bool:
        return _is_below(path, self._left)

    def _writes(self, kind: ChangeKind, entry: Entry) -> None:
        # A further name of a file costs no content of its own.
        size = entry.size if entry.kind == FILE else 0
        self._bytes += size
        self._count(Change(kind, entry.path, size))

    def _count(self, change: Change) -> None:
        self._counts[change.kind] += 1
        if self._more or walk_order(change.path) <= self._after:
            return
        self._room -= len(change.path)
        if len(self._changes) == self._page.limit or (self._changes and self._room < 0):
            self._more = True
        else:
            self._changes.append(change)


def _is_folder(live: _Live) -> bool:
    return live.found is not None and stat.S_ISDIR(live.found.status.st_mode)


def _is_below(path: bytes, folder: bytes) -> bool:
    """Whether a path lies below a folder, which ends in a slash; an empty one is none."""
    return bool(folder) and path.startswith(folder)


class _Contents:
    """Whether live paths are what the archive has of them."""

    def __init__(self, *, scanned_ns: int, check: Callable[[], None]) -> None:
        """`scanned_ns`: when the scan began that the archive is of."""
        self.check = check
        self._settled_ns = scanned_ns - _CLOCK_STEP_NS
        self._owners_count = os.geteuid() == 0
        self._buffer = bytearray(_READ_BYTES)

    def same(self, entry: Entry, found: Found | None) -> bool:
        """Whether a restore would leave a live path as it is. Raises SourceFailed when its disk fails."""
        if found is None:
            return False
        kind = stat.S_IFMT(found.status.st_mode)
        try:
            if entry.kind == SYMLINK:
                return kind == stat.S_IFLNK and self.same_link(entry, found)
            if entry.kind == FOLDER:
                return kind == stat.S_IFDIR and self._metadata_same(entry, found.status)
            return (
                kind == stat.S_IFREG and self._metadata_same(entry, found.status) and self._content_same(entry, found)
            )
        except OSError as error:
            warning_kind(error)
            return False

    def same_link(self, entry: Entry, found: Found) -> bool:
        """Whether a live link is the archive's, whatever lies behind it."""
        try:
            return entry.kind == SYMLINK and os.readlink(found.name, dir_fd=found.folder) == entry.link
        except OSError as error:
            warning_kind(error)
            return False

    def _metadata_same(self, entry: Entry, status: os.stat_result) -> bool:
        """The permission bits, which are all that a restore brings; owners come back only to root."""
        owners = not self._owners_count or (status.st_uid, status.st_gid) == (entry.uid, entry.gid)
        return owners and (status.st_mode ^ entry.mode) & _PERMISSIONS == 0

    def _content_same(self, entry: Entry, found: Found) -> bool:
        status = found.status
        if status.st_size != entry.size:
            return False
        # Nothing but the clock sets a change time: what had it before the scan was not written since.
        if status.st_mtime_ns == entry.mtime_ns and status.st_ctime_ns < self._settled_ns:
            return True
        descriptor = entry_open(found.name, found.folder)
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and self._crc32(descriptor, entry.size) == entry.crc32
        finally:
            os.close(descriptor)

    def _crc32(self, descriptor: int, size: int) -> int | None:
        """The CRC-32 of an open file, None when it is not of this size any more."""
        crc32 = 0
        view = memoryview(self._buffer)
        while count := os.readv(descriptor, [view]):
            self.check()
            size -= count
            if size < 0:
                return None
            crc32 = isal_zlib.crc32(view[:count], crc32)
        return None if size else crc32
