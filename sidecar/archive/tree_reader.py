"""Reads a live tree into a ring of buffers, as the members of a tar archive."""

import errno
import os
import stat
from contextlib import closing
from typing import Final

from isal import isal_zlib

from archives.tar_format import (
    DIRECTORY,
    END_OF_ARCHIVE,
    HARD_LINK,
    REGULAR,
    SYMBOLIC_LINK,
    TarMember,
    member_header,
    padding_bytes,
)
from pipelines.pacing import NO_LIMIT, Bandwidth
from sidecar.archive.report import WarningLog
from sidecar.archive.ring import BUFFER_BYTES, Ring
from sidecar.errors import SourceFailed
from sidecar.exclusion.patterns import IGNORE_FILE, NO_PATTERNS, InForce
from sidecar.pacing import low_priority
from sidecar.places.places import Places
from sidecar.scan import DiskFaults, exclusion_of, tree_walk
from trees.beneath import open_for_reading
from trees.folders import link_leads_out, path_of
from trees.limits import CONTENT_BYTES_MAX
from trees.local.file import data_ranges, is_sparse
from trees.walk import Found, LinkIdentity, link_identity
from wire.enums import WarningKind
from wire.listing import FILE, FOLDER, LEFT_OUT, SYMLINK, Entry, ListingWriter
from wire.listing import HARD_LINK as FURTHER_NAME

PACKED_BYTES_MAX: Final = CONTENT_BYTES_MAX - (64 << 30)
"""The most bytes of an archive before it is compressed. A file that exceeds them is left out, whose data may be one
hole: a restore would refuse the whole backup. Room for the headers of the entries behind it is left.
"""
_ZEROS: Final = bytes(BUFFER_BYTES)


class TreeReader:
    """Fills a ring with the archive of a tree, in a thread of its own, and counts entries and warnings.

    The game server is never made to wait: a file that changes meanwhile is read as it is, with a warning. The
    listing, if any, gets every entry of the archive, and every path that was left out: among them is a file whose disk
    failed in the middle of it, though the archive has a member of that name.
    """

    def __init__(
        self,
        ring: Ring,
        places: Places,
        listing: ListingWriter | None = None,
        *,
        bandwidth: Bandwidth = NO_LIMIT,
        patterns: InForce = NO_PATTERNS,
    ) -> None:
        self.bytes_read = 0
        self.content_bytes = 0
        self.files = 0
        self.entries = 0
        self.warnings = WarningLog()
        self._ring = ring
        self._listing = listing
        self._bandwidth = bandwidth
        self._places = places
        self._patterns = patterns
        self._root = path_of(places.root.fd)
        self._linked: dict[LinkIdentity, Entry] = {}
        self._faults = DiskFaults()
        self._packed = 0

    def run(self, root: int) -> None:
        """Write every entry below an open folder, then the end of the archive. Raises `SourceFailed`, and `Closed`."""
        try:
            with low_priority():
                self._tree(root)
        except OSError as error:
            raise SourceFailed(f"the data cannot be read: {error.strerror}") from error
        self._ring.flush()

    def _tree(self, root: int) -> None:
        if self._patterns.file_wrong:
            self.warnings.add(WarningKind.PATTERN, IGNORE_FILE)
        exclusion = exclusion_of(self._patterns.rules, self._exclude)
        walking = tree_walk(root, warn=self._leave_out, places=self._places, exclusion=exclusion, faults=self._faults)
        with closing(walking) as walk:
            for found in walk:
                self._ring.check()
                self._entry(found)
        # The listing is complete before the archive's end is written.
        if self._listing is not None:
            self._listing.finish()
        self._ring.write(END_OF_ARCHIVE)

    def _entry(self, found: Found) -> None:
        # The archive has the folder behind a followed link, even if a restore cannot write there.
        if self._places.left_at(found.path) is WarningKind.MOUNTED:
            self.warnings.add(WarningKind.MOUNTED, found.path)
        kind = stat.S_IFMT(found.status.st_mode)
        if kind == stat.S_IFREG:
            self._file(found)
        elif kind == stat.S_IFDIR:
            self._header(found.path, DIRECTORY, found.status)
            self._list(_entry(FOLDER, found.path, found.status))
        elif kind == stat.S_IFLNK:
            self._symbolic_link(found)
        else:
            self._leave_out(WarningKind.SKIPPED, found.path)

    def _symbolic_link(self, found: Found) -> None:
        try:
            target = os.readlink(found.name, dir_fd=found.folder)
        except OSError as error:
            self._leave_out(self._faults.kind(error), found.path)
        else:
            if link_leads_out(found.name, found.folder, root=self._root):
                self.warnings.add(WarningKind.LINKED_OUT, found.path)
            self._header(found.path, SYMBOLIC_LINK, found.status, link=target)
            self._list(_entry(SYMLINK, found.path, found.status, link=target))

    def _file(self, found: Found) -> None:
        shared = link_identity(found.status)
        first = None if shared is None else self._linked.get(shared)
        if first is not None:
            self._header(found.path, HARD_LINK, found.status, link=first.path)
            self._list(first._replace(kind=FURTHER_NAME, path=found.path, link=first.path))
            self.files += 1
            return
        try:
            descriptor = open_for_reading(found.name, found.folder)
        except OSError as error:
            self._leave_out(self._faults.kind(error), found.path)
            return
        try:
            self._opened_file(found.path, descriptor)
        finally:
            os.close(descriptor)

    def _opened_file(self, path: bytes, descriptor: int) -> None:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            self._leave_out(WarningKind.UNREADABLE, path)  # there is something else in its place
            return
        if self._packed + before.st_size > PACKED_BYTES_MAX:
            self._leave_out(WarningKind.UNREADABLE, path)
            return
        self._header(path, REGULAR, before, size=before.st_size)
        crc32, after, error = self._content(descriptor, before)
        if error is not None:
            # Its header is on the way: the listing tells every reader that the member is none.
            self._leave_out(self._faults.kind(error), path)
            return
        if after is None or _version(after) != _version(before):
            self.warnings.add(WarningKind.CHANGED, path)
        entry = _entry(FILE, path, before, size=before.st_size, crc32=crc32)
        if after is not None and (shared := link_identity(after)) is not None:
            self._linked[shared] = entry
        self._list(entry)
        self.files += 1
        self.content_bytes += before.st_size

    def _content(self, descriptor: int, before: os.stat_result) -> tuple[int, os.stat_result | None, OSError | None]:
        """Write as much content as the header says, with zeros for holes and for content that does not come.

        Return its CRC-32; the file's status afterwards, None when the file was shorter; and the error of its disk.
        """
        size = before.st_size
        if size > BUFFER_BYTES:
            os.posix_fadvise(descriptor, 0, size, os.POSIX_FADV_SEQUENTIAL)
        crc32 = at = 0
        after = failed = None
        try:
            is_holey = size > BUFFER_BYTES and is_sparse(before)
            for low, high in data_ranges(descriptor, 0, size) if is_holey else [(0, size)]:
                if is_holey:
                    os.lseek(descriptor, low, os.SEEK_SET)
                crc32 = self._zeros(low - at, crc32, counted=True)
                at = low
                while at < high and (part := self._ring.read_from(descriptor, high - at)):
                    at += len(part)
                    crc32 = self._took(part, crc32)
                if at < high:
                    break  # the file has become shorter
            else:
                after = os.fstat(descriptor)
                crc32, at = self._zeros(size - at, crc32, counted=True), size
        except OSError as error:
            # The error of a network filesystem for an open file that was removed.
            failed = None if error.errno == errno.ESTALE else error
        crc32 = self._zeros(size - at, crc32)
        self._zeros(padding_bytes(size))
        self._packed += size + padding_bytes(size)
        return crc32, after, failed

    def _took(self, part: memoryview, crc32: int) -> int:
        """Count content that was read. Return the CRC-32 so far."""
        self.bytes_read += len(part)
        self._bandwidth.take(len(part), check=self._ring.check)
        return isal_zlib.crc32(part, crc32)

    def _zeros(self, size: int, crc32: int = 0, *, counted: bool = False) -> int:
        """Write zeros, which may be terabytes. Return the CRC-32 of everything so far. `counted`: as content."""
        while size:
            piece = _ZEROS[:size]
            self._ring.write(piece)
            crc32 = isal_zlib.crc32(piece, crc32)
            size -= len(piece)
            self.bytes_read += len(piece) if counted else 0
        return crc32

    def _leave_out(self, kind: WarningKind, path: bytes) -> None:
        self.warnings.add(kind, path)
        self._list_left_out(kind, path)

    def _exclude(self, found: Found, _number: int) -> None:
        self._ring.check()
        self._list_left_out(WarningKind.EXCLUDED, found.path)

    def _list_left_out(self, kind: WarningKind, path: bytes) -> None:
        self._list(Entry(LEFT_OUT, 0, 0, 0, 0, 0, 0, path, kind.value.encode()))

    def _list(self, entry: Entry) -> None:
        if self._listing is not None:
            self._listing.add(entry)

    def _header(self, path: bytes, kind: bytes, status: os.stat_result, *, size: int = 0, link: bytes = b"") -> None:
        member = TarMember(
            path=path,
            type=kind,
            mode=status.st_mode,
            uid=status.st_uid,
            gid=status.st_gid,
            mtime_ns=status.st_mtime_ns,
            size=size,
            link=link,
        )
        header = member_header(member)
        self._ring.write(header)
        self._packed += len(header)
        self.entries += 1


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _entry(
    kind: bytes, path: bytes, status: os.stat_result, *, size: int = 0, crc32: int = 0, link: bytes = b""
) -> Entry:
    mode = stat.S_IMODE(status.st_mode)
    return Entry(kind, mode, status.st_uid, status.st_gid, status.st_mtime_ns, size, crc32, path, link)
