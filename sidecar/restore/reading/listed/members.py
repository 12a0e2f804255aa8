"""A listing of a snapshot as a source of members. Live files are compared by hash, so only differing contents come."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sidecar.errors import ArchiveDamaged, ArchiveRefused
from sidecar.restore.reading.limits import Limits
from sidecar.restore.reading.listed.comparing import READ_BYTES, entry_compare
from sidecar.restore.reading.listed.contents import Contents
from sidecar.restore.reading.member_paths import member_path, shown
from sidecar.restore.reading.members import ZEROS, Compared, Member, MemberKind, Wanted
from trees.hashes import ContentHash
from trees.metadata import PERMISSIONS, Metadata
from wire.listing import (
    FILE,
    FOLDER,
    HARD_LINK,
    LEFT_OUT,
    OF_SNAPSHOT,
    SYMLINK,
    Entry,
    Listing,
    ListingDamaged,
    ListingLimits,
    ListingRefused,
)

# Contents are asked for so many members ahead, and again when so few are left.
_AHEAD_MOST = 8192
_AHEAD_LEAST = 4096
_AHEAD_BYTES = 8 << 20
_STEP_BYTES = 512

_KINDS = {
    FILE: MemberKind.FILE,
    FOLDER: MemberKind.DIRECTORY,
    SYMLINK: MemberKind.SYMLINK,
    HARD_LINK: MemberKind.HARDLINK,
}

ListingParts = Callable[[], Iterable[bytes]]
"""The bytes of a listing, from its beginning at each call."""


class ListedMembers:
    """The members of a listing, and the contents that are sent for them. The least bytes they take are not known."""

    least_bytes = 0

    def __init__(self, listing: ListingParts, contents: Contents, limits: Limits, *, check: Callable[[], None]) -> None:
        """`check` is called while contents are awaited, and raises to end that."""
        self._listing = listing
        self._contents = contents
        self._limits = limits
        self._check = check

    @contextlib.contextmanager
    def read(self, wanted: Wanted | None = None) -> Iterator[ListedReader]:
        """Begin a pass."""
        if wanted is not None:
            self._contents.begin()
        try:
            listing = Listing(self._listing(), limits=ListingLimits(entries=self._limits.entries))
            if listing.version != OF_SNAPSHOT:
                raise ArchiveRefused("the listing is of an archive, and has no hashes")
            yield ListedReader(listing, self._contents, self._limits, wanted, self._check)
        except ListingDamaged as error:
            raise ArchiveDamaged(str(error)) from error
        except ListingRefused as error:
            raise ArchiveRefused(str(error)) from error


class _Step(NamedTuple):
    """A member with its entry. `unread`: the bytes that were asked for. `held`: the bytes of memory that it takes while
    it waits, roughly.
    """

    entry: Entry
    member: Member
    unread: int
    held: int


class ListedReader:
    """One pass over a listing."""

    def __init__(
        self, listing: Listing, contents: Contents, limits: Limits, wanted: Wanted | None, check: Callable[[], None]
    ) -> None:
        self._listing = listing
        self._contents = contents
        self._limits = limits
        self._wanted = wanted
        self._check = check
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._entry: Entry
        self._unread = 0

    def members(self) -> Iterator[Member]:
        """Yield every member; contents are asked for ahead of them."""
        for step in self._steps():
            self._entry, self._unread = step.entry, step.unread
            yield step.member
            while self._unread:
                self._take()
        if self._wanted is not None:
            self._contents.finish(check=self._check)

    def content(self) -> Iterator[memoryview]:
        """Yield the current file's content, which must have been wanted. Raises ArchiveDamaged when its hash is wrong,
        before the last piece.
        """
        entry = self._entry
        if self._unread != entry.size:
            raise ValueError("only content that was wanted can be read, and once")
        found = ContentHash(entry.size, header=entry.header)
        while self._unread:
            piece = self._take()
            if piece.obj is ZEROS:
                found.hole(len(piece))
            else:
                found.update(piece)
            if self._unread:
                yield piece
        if found.digest() != entry.hash:
            raise ArchiveDamaged(f"the content that came is not that of the backup: {shown(entry.path)}")
        if entry.size:
            yield piece

    def compare(self, live: int | None) -> Iterator[Compared]:
        """Compare the hash of the current file, and its attributes, with those of a live file."""
        return entry_compare(self._entry, live, self._buffer)

    def _take(self) -> memoryview:
        piece = self._contents.take(self._unread, check=self._check)
        self._unread -= len(piece)
        return piece

    def _steps(self) -> Iterator[_Step]:
        """The steps in order. Of those that wait, the contents have been asked for."""
        entries = self._entries()
        ahead: deque[_Step] = deque()
        held = 0
        while True:
            files: list[int] = []
            size = 0
            if len(ahead) < _AHEAD_LEAST:
                while len(ahead) < _AHEAD_MOST and held < _AHEAD_BYTES and (found := next(entries, None)):
                    number, step = found
                    if step.member.kind is MemberKind.FILE and self._wanted is not None and self._wanted(step.member):
                        step = step._replace(unread=step.member.size)
                        files += [number] if step.unread else []
                        size += step.unread
                    ahead.append(step)
                    held += step.held
            if files:
                self._contents.ask(files, size)
            if not ahead:
                return
            step = ahead.popleft()
            held -= step.held
            yield step

    def _entries(self) -> Iterator[tuple[int, _Step]]:
        """Every member with its entry, and the number of files before it."""
        files = total = 0
        for entry in self._listing.entries():
            if entry.kind == LEFT_OUT:
                continue
            member = self._member(entry)
            # A hole takes no room, and costs no reading.
            total += entry.data if entry.kind == FILE else 0
            if total > self._limits.total_bytes:
                detail = f"the backup's files up to this one have more than {self._limits.total_bytes} bytes"
                raise ArchiveRefused(f"{detail}: {shown(entry.path)}")
            held = _STEP_BYTES + len(entry.path) + len(entry.link)
            if entry.xattrs:
                held += sum(map(len, (*entry.xattrs, *entry.xattrs.values())))
            yield files, _Step(entry, member, 0, held)
            files += entry.kind == FILE

    def _member(self, entry: Entry) -> Member:
        kind = _KINDS[entry.kind]
        path, link = entry.path, entry.link  # the listing has plain paths only
        if len(path) > self._limits.path_bytes or path.count(b"/") >= self._limits.depth:
            raise ArchiveRefused(f"a member's path is deeper or longer than allowed: {shown(path)}")
        if kind is MemberKind.HARDLINK:
            link = member_path(link, self._limits)
        if kind is MemberKind.SYMLINK and b"\0" in link:
            raise ArchiveRefused(f"a symlink points to an impossible name: {shown(path)}")
        # As of an archive: no game's data needs setuid, setgid and sticky.
        metadata = Metadata(entry.mode & PERMISSIONS, entry.uid, entry.gid, entry.mtime_ns)
        if not metadata.is_possible:
            raise ArchiveRefused(f"a member's owner or time is out of range: {shown(path)}")
        size = entry.size if kind is MemberKind.FILE else 0
        return Member(kind, path, link, size, metadata, entry.xattrs)
