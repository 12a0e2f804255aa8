"""Reading a live tree into a ring of buffers, as the members of a tar archive."""

import errno
import os
import stat
from contextlib import closing

from sidecar.archive.report import WarningKind, WarningLog
from sidecar.archive.ring import BUFFER_BYTES, Ring
from sidecar.archive.scan import Found, entry_open, identity, tree_walk, warning_kind
from sidecar.archive.tar_format import (
    DIRECTORY,
    END_OF_ARCHIVE,
    HARD_LINK,
    REGULAR,
    SYMBOLIC_LINK,
    Member,
    member_header,
    padding_bytes,
)
from sidecar.errors import SourceFailed


class TreeReader:
    """Fills a ring with the archive of a tree, in a thread of its own, and counts what it meets.

    Nothing waits for the server: what changes meanwhile is read as it is and warned of.
    """

    def __init__(self, ring: Ring) -> None:
        self.bytes_read = 0
        self.files = 0
        self.entries = 0
        self.warnings = WarningLog()
        self._ring = ring
        self._linked: dict[tuple[int, int], bytes] = {}

    def run(self, root: int) -> None:
        """Write every entry below an open folder, then the archive's end; a failure goes through the ring."""
        try:
            self._tree(root)
        except OSError as error:
            failure = SourceFailed(f"the data cannot be read: {error.strerror}")
            failure.__cause__ = error
            self._ring.close(failure)
        except BaseException as failure:  # noqa: BLE001 - raised again in the thread that empties the ring
            self._ring.close(failure)
        else:
            self._ring.close()

    def _tree(self, root: int) -> None:
        with closing(tree_walk(root, warn=self.warnings.add)) as walk:
            for found in walk:
                self._ring.check()
                self._entry(found)
        self._ring.write(END_OF_ARCHIVE)

    def _entry(self, found: Found) -> None:
        kind = stat.S_IFMT(found.status.st_mode)
        if kind == stat.S_IFREG:
            self._file(found)
        elif kind == stat.S_IFDIR:
            self._header(found.path, DIRECTORY, found.status)
        elif kind == stat.S_IFLNK:
            self._symbolic_link(found)
        else:
            self.warnings.add(WarningKind.SKIPPED, found.path)

    def _symbolic_link(self, found: Found) -> None:
        try:
            target = os.readlink(found.name, dir_fd=found.folder)
        except OSError as error:
            self.warnings.add(warning_kind(error), found.path)
        else:
            self._header(found.path, SYMBOLIC_LINK, found.status, link=target)

    def _file(self, found: Found) -> None:
        first_name = self._linked.get(identity(found.status))
        if first_name is not None:
            self._header(found.path, HARD_LINK, found.status, link=first_name)
            self.files += 1
            return
        try:
            descriptor = entry_open(found.name, found.folder)
        except OSError as error:
            self.warnings.add(warning_kind(error), found.path)
            return
        try:
            self._opened_file(found.path, descriptor)
        finally:
            os.close(descriptor)

    def _opened_file(self, path: bytes, descriptor: int) -> None:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            self.warnings.add(WarningKind.VANISHED, path)
            return
        self._header(path, REGULAR, before, size=before.st_size)
        if before.st_nlink > 1:
            self._linked[identity(before)] = path
        if not self._content(descriptor, before):
            self.warnings.add(WarningKind.CHANGED, path)
        self.files += 1

    def _content(self, descriptor: int, before: os.stat_result) -> bool:
        """Write as much content as the header says. Returns whether it is that of one version of the file."""
        if before.st_size > BUFFER_BYTES:
            os.posix_fadvise(descriptor, 0, before.st_size, os.POSIX_FADV_SEQUENTIAL)
        missing = before.st_size
        try:
            while missing and (count := self._ring.read_from(descriptor, missing)):
                self.bytes_read += count
                missing -= count
            unchanged = not missing and _version(os.fstat(descriptor)) == _version(before)
        except OSError as error:
            # A network file system's word for an open file that was removed.
            if error.errno != errno.ESTALE:
                raise
            unchanged = False
        self._ring.write_zeros(missing + padding_bytes(before.st_size))
        return unchanged

    def _header(self, path: bytes, kind: bytes, status: os.stat_result, *, size: int = 0, link: bytes = b"") -> None:
        member = Member(
            path=path,
            type=kind,
            mode=status.st_mode,
            uid=status.st_uid,
            gid=status.st_gid,
            mtime_ns=status.st_mtime_ns,
            size=size,
            link=link,
        )
        self._ring.write(member_header(member))
        self.entries += 1


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
