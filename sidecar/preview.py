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
from sidecar.restore.companions import Passed
from sidecar.restore.outcomes import Mode
from sidecar_client.listing import (
    FILE,
    FOLDER,
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


@dataclass(frozen=True, slots=True)
class Change:
    """One path, and the bytes of content that would be written there, or would go."""

    kind: ChangeKind
    path: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Preview:
    """Paths that would be added, changed and removed, bytes of content to be written, and some changes by name.

    `more`: there are changes after the last one named.
    """

    added: int
    changed: int
    removed: int
    bytes: int
    changes: tuple[Change, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Which changes are named: those after a path, in the order of the walk, and how many at most."""

    after: bytes
    limit: int


def restore_preview(
    *, root: Path, listing: Iterable[bytes | memoryview], mode: Mode, page: Page, check: Callable[[], None]
) -> Preview:
    """Compare the live tree with the listing of an archive, given in parts of any size.

    A live path that the archive lacks is removed in the mode `REPLACE` only, save below a folder that gives way to
    something else, and the companion of a file: these go in either. `check` is called at every step, and ends the work
    by raising.
    Raises ArchiveDamaged and ArchiveRefused for what is wrong with the listing, and SourceFailed.
    """
    descriptor = root_open(root)
    try:
        told = Listing(listing)
        with closing(_live_paths(descriptor)) as live:
            comparison = _Comparison(live, _Contents(scanned_ns=told.started_ns, check=check), mode, page)
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


def _live_paths(root: int) -> Generator[_Live, None, None]:
    """Every live path in the order of the walk, each to be looked at before the next is asked for."""
    unseen: list[_Live] = []

    def warn(kind: WarningKind, path: bytes) -> None:
        if kind is WarningKind.UNREADABLE:
            unseen.append(_Live(path, None))

    with closing(tree_walk(root, warn=warn)) as walk:
        for found in walk:
            yield from unseen
            unseen.clear()
            yield _Live(found.path, found)
    yield from unseen


class _Comparison:
    """Goes through the live paths beside the entries that it is given, and counts."""

    def __init__(self, live: Iterator[_Live], contents: "_Contents", mode: Mode, page: Page) -> None:
        self._rest = live
        self._live = next(live, None)
        self._contents = contents
        self._mode = mode
        self._page = page
        self._after = walk_order(page.after)
        self._room = _PATHS_BYTES
        self._replaced = b""
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
        self._passed.note(entry.path, is_folder=entry.kind == FOLDER)
        if self._live is None or self._live.path != entry.path:
            self._writes(ChangeKind.ADDED, entry)
            return
        if entry.kind != FOLDER:
            self._replaced = entry.path + b"/"
        if not self._contents.same(entry, self._live.found):
            self._writes(ChangeKind.CHANGED, entry)
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
        )

    def _live_only(self, live: _Live) -> None:
        self._contents.check()
        file = live.found is not None and stat.S_ISREG(live.found.status.st_mode)
        if self._goes(live, is_file=file):
            self._count(Change(ChangeKind.REMOVED, live.path, live.found.status.st_size if live.found and file else 0))
        self._live = next(self._rest, None)

    def _goes(self, live: _Live, *, is_file: bool) -> bool:
        if self._mode is Mode.REPLACE or (self._replaced and live.path.startswith(self._replaced)):
            return True
        return is_file and live.found is not None and self._passed.take_along(live.path, at=live.found.folder)

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
                return kind == stat.S_IFLNK and os.readlink(found.name, dir_fd=found.folder) == entry.link
            if entry.kind == FOLDER:
                return kind == stat.S_IFDIR and self._metadata_same(entry, found.status)
            return (
                kind == stat.S_IFREG and self._metadata_same(entry, found.status) and self._content_same(entry, found)
            )
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
