"""Compares members with the live data before anything is written; this also checks their whole source."""

from __future__ import annotations

import os
import stat
import time
from array import array
from hashlib import blake2b

from sidecar.errors import at_entry
from sidecar.places.places import Place, Places
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.comparing.wanted import PathKind, WantedPaths
from sidecar.restore.reading.members import Member, MemberKind, MemberReader, Members
from sidecar.restore.workspace.failures import Need
from sidecar.restore.workspace.progress import ProgressMeter
from trees.beneath import open_for_reading
from trees.fixed import is_fixed, is_frozen
from trees.metadata import Metadata
from trees.trust import Trust, identity_of, machine_started_ns

_NAME_BYTES = 255
_BLOCK = 512  # the unit of st_blocks


class Comparison:
    """The result of a comparison. `needed`: the bytes, files and folders to stage in each place.

    `identities` has 8 bytes for each file in the order of the members, 0 for a file that differs. `paths` marks the
    unchanged files that have hard links: such a group is only staged as a whole. `shared` are files with a hard link
    in another place: they are staged even if their own place is left.
    """

    def __init__(self, paths: WantedPaths) -> None:
        self.paths = paths
        self.identities = array("Q")
        self.shared = PathTable()
        self.needed: dict[Place, Need] = {}

    def need(self, place: Place, *, size: int = 0, files: int = 0) -> None:
        """Add to the content, files and folders to stage in a place."""
        had = self.needed.get(place, Need())
        self.needed[place] = Need(had.bytes + size, had.files + files)

    def same(self, number: int, path: bytes, live: os.stat_result) -> bool:
        """Whether the file of this number and path was found unchanged, and was not touched since."""
        return self.paths.kind(path) is PathKind.SAME and self.identities[number] == _identity_hashed(live)


def members_compare(*, members: Members, places: Places, progress: ProgressMeter) -> Comparison:
    """Compare members with the live data; return the unchanged files and the room for the others. Nothing is written.

    A file is unchanged when the live file at its path has the same content, lies on its place's volume, is no mount,
    has no other name, can be given the member's metadata in place, and is at rest, so that its stat shows any later
    change (`trees.trust` has the rule). Owners are compared only as root. An unreadable live file counts as changed.
    Raise ArchiveDamaged, ArchiveRefused or Cancelled.
    """
    comparing = _Comparing(places, progress)
    try:
        with members.read() as reader:
            for member in reader.members():
                with at_entry(member.path):
                    comparing.take(member, reader)
    finally:
        comparing.close()
    return comparing.found


class _Comparing:
    def __init__(self, places: Places, progress: ProgressMeter) -> None:
        self._progress = progress
        self._places = places
        self._live = places.tree()
        self._trust = Trust(time.time_ns(), machine_started_ns=machine_started_ns())
        name_bytes = os.fpathconf(places.root.fd, "PC_NAME_MAX")
        self.found = Comparison(WantedPaths(name_bytes=name_bytes if name_bytes > 0 else _NAME_BYTES))

    def take(self, member: Member, reader: MemberReader) -> None:
        """Check one member, and compare it if it is a file."""
        kind = PathKind.DIFFERS
        if member.kind is MemberKind.FILE:
            kind = self._compare(member, reader)
        elif member.kind is MemberKind.HARDLINK and self.found.paths.kind(member.link) is PathKind.SAME:
            self.found.need(self._places.of(member.path), size=self._taken(member.link))
        if member.kind is MemberKind.HARDLINK and self._are_apart(member.link, member.path):
            self.found.shared.set(member.link, 1)
        if member.kind is not MemberKind.HARDLINK and kind is not PathKind.SAME:
            self.found.need(self._places.of(member.path), files=1)
        self.found.paths.add(member, kind)
        self._progress.advance(files=member.kind is not MemberKind.DIRECTORY)

    def close(self) -> None:
        self._live.close()

    def _are_apart(self, path: bytes, other: bytes) -> bool:
        """Whether one of two paths may be left while the other is staged."""
        return self._places.of(path) != self._places.of(other) or (
            self._places.is_elsewhere(path) and not self._places.is_elsewhere(other)
        )

    def _compare(self, member: Member, reader: MemberReader) -> PathKind:
        dense = 0
        fd, identity = self._open(member)
        same = fd is not None
        try:
            for piece in reader.compare(fd):
                dense += piece.dense
                same = piece.same
                self._progress.advance(size=piece.size)
        finally:
            if fd is not None:
                os.close(fd)
        self.found.identities.append(identity if same else 0)
        if not same and not self._places.is_elsewhere(member.path):
            self.found.need(self._places.of(member.path), size=dense)
        return PathKind.SAME if same else PathKind.DIFFERS

    def _open(self, member: Member) -> tuple[int | None, int]:
        """Open a live file that may be unchanged; return its descriptor, and its identity before the first read."""
        try:
            at, name = self._live.parent(member.path)
            status = os.stat(name, dir_fd=at, follow_symlinks=False)
            if not self._may_be_same(member, status) or self._places.is_left(member.path):
                return None, 0
            fd = open_for_reading(name, at)
        except OSError:
            return None, 0
        opened = os.fstat(fd)
        if not self._may_be_kept(member, opened, fd):
            os.close(fd)
            return None, 0
        return fd, _identity_hashed(opened)

    def _may_be_kept(self, member: Member, live: os.stat_result, fd: int) -> bool:
        """Whether an open live file can stay if it has the member's content. A file that cannot be replaced need not
        be at rest.
        """
        if not self._may_be_same(member, live) or not _can_be_set(member, live, fd):
            return False
        return self._trust.believes(live.st_ctime_ns) or self._is_fixed(member.path, live, fd)

    def _is_fixed(self, path: bytes, live: os.stat_result, fd: int) -> bool:
        try:
            folder = self._live.open_folder(path.rpartition(b"/")[0])
        except OSError:
            return False
        try:
            return is_fixed(live, folder=folder, fd=fd)
        finally:
            os.close(folder)

    def _may_be_same(self, member: Member, live: os.stat_result) -> bool:
        plain = stat.S_ISREG(live.st_mode) and live.st_dev == self._places.of(member.path).device and live.st_nlink == 1
        return plain and live.st_size == member.size

    def _taken(self, path: bytes) -> int:
        """The bytes that a live file takes on its volume; 0 when it cannot be examined."""
        try:
            live = self._live.status(path)
        except OSError:
            live = None
        return min(live.st_size, live.st_blocks * _BLOCK) if live else 0


def _identity_hashed(live: os.stat_result) -> int:
    """A number of eight bytes, never 0, that changes with any change of the file."""
    told = b"%d %d %d %d" % identity_of(live)
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "little") or 1


def _can_be_set(member: Member, live: os.stat_result, fd: int) -> bool:
    """Whether an open live file has the member's metadata, or can be given it. Without root, only the file's owner
    can, and must be able to open the file afterwards. An immutable or append-only file cannot be changed.
    """
    if member.metadata.settable(live) == Metadata.of(live):
        return True
    if is_frozen(fd):
        return False
    if os.geteuid() == 0:
        return True
    return live.st_uid == os.geteuid() and bool(member.metadata.mode & stat.S_IRUSR)
