"""Compares live files with the backup's, of which only checksums are known: a CRC-32, or a hash."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Final

from isal import isal_zlib

from sidecar.restore.reading.listed.comparing import READ_BYTES, attributes_same, entry_compare
from sidecar.scan import warning_kind
from trees.beneath import open_for_reading
from trees.fixed import is_frozen
from trees.trust import Trust
from trees.walk import Found
from wire.listing import FILE, FOLDER, SYMLINK, Entry

_PERMISSIONS: Final = 0o777


class LiveContents:
    """Compares live paths with the archive's entries."""

    def __init__(self, *, trust: Trust, check: Callable[[], None]) -> None:
        """`trust`: built from the start of the scan that made the archive."""
        self.check = check
        self._trust = trust
        self._owners_count = os.geteuid() == 0
        self._buffer = bytearray(READ_BYTES)

    def same(self, entry: Entry, found: Found | None) -> bool:
        """Whether a restore would leave a live path unchanged.

        Raises SourceFailed when descriptors or memory run out.
        """
        if found is None:
            return False
        kind = stat.S_IFMT(found.status.st_mode)
        try:
            if entry.kind == SYMLINK:
                return kind == stat.S_IFLNK and self.same_link(entry, found)
            if entry.kind == FOLDER:
                is_alike = kind == stat.S_IFDIR and self._metadata_same(entry, found.status)
                return is_alike and self._attributes_same(entry, found)
            is_alike = kind == stat.S_IFREG and self._metadata_same(entry, found.status)
            return is_alike and self._content_same(entry, found) and self._can_be_set(entry, found)
        except OSError as error:
            warning_kind(error)
            return False

    def is_kept(self, entry: Entry, found: Found | None) -> bool:
        """Whether a restore would keep the content of a live file, and at most set its metadata.

        Raises SourceFailed when descriptors or memory run out.
        """
        if found is None or entry.kind != FILE or not stat.S_ISREG(found.status.st_mode) or found.status.st_nlink != 1:
            return False
        try:
            return self._content_same(entry, found) and self._can_be_set(entry, found)
        except OSError as error:
            warning_kind(error)
            return False

    def _can_be_set(self, entry: Entry, found: Found) -> bool:
        """Whether a live file has the archive's metadata, or can be given it."""
        if found.status.st_mtime_ns == entry.mtime_ns and self._metadata_same(entry, found.status):
            return True
        descriptor = open_for_reading(found.name, found.folder)
        try:
            return not is_frozen(descriptor)
        finally:
            os.close(descriptor)

    def same_link(self, entry: Entry, found: Found | None) -> bool:
        """Whether a live link has the text of the archive's link."""
        try:
            if found is None or entry.kind != SYMLINK:
                return False
            return os.readlink(found.name, dir_fd=found.folder) == entry.link
        except OSError as error:
            warning_kind(error)
            return False

    def _metadata_same(self, entry: Entry, status: os.stat_result) -> bool:
        """Whether the permission bits match; as root also the owner."""
        owners = not self._owners_count or (status.st_uid, status.st_gid) == (entry.uid, entry.gid)
        return owners and (status.st_mode ^ entry.mode) & _PERMISSIONS == 0

    def _content_same(self, entry: Entry, found: Found) -> bool:
        status = found.status
        if status.st_size != entry.size:
            return False
        if status.st_mtime_ns == entry.mtime_ns and self._trust.believes(status.st_ctime_ns):
            return True
        descriptor = open_for_reading(found.name, found.folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return False
            if entry.hash:
                return self._hash_same(descriptor, entry)
            return self._crc32(descriptor, entry.size) == entry.crc32
        finally:
            os.close(descriptor)

    def _attributes_same(self, entry: Entry, found: Found) -> bool:
        """Whether a live folder has the backup's attributes, if these are known."""
        if entry.xattrs is None:
            return True
        descriptor = open_for_reading(found.name, found.folder, os.O_DIRECTORY)
        try:
            return attributes_same(entry, descriptor)
        finally:
            os.close(descriptor)

    def _hash_same(self, descriptor: int, entry: Entry) -> bool:
        same = False
        for step in entry_compare(entry, descriptor, memoryview(self._buffer)):
            self.check()
            same = step.same
        return same

    def _crc32(self, descriptor: int, size: int) -> int | None:
        """The CRC-32 of an open file, None when its size has changed."""
        crc32 = 0
        view = memoryview(self._buffer)
        while count := os.readv(descriptor, [view]):
            self.check()
            size -= count
            if size < 0:
                return None
            crc32 = isal_zlib.crc32(view[:count], crc32)
        return None if size else crc32
