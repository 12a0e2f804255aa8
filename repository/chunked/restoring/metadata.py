"""Sets the metadata of files, folders and links: owner, permission bits, time, `user.*` attributes."""

from __future__ import annotations

import os

from repository.chunked.manifest.records import Record, Xattrs
from repository.chunked.restoring.outcome import Tally
from repository.errors import ManifestInvalid
from trees.filesystem import Filesystem
from trees.metadata import ALL_BITS, PERMISSIONS, Metadata

_USER = b"user."


class RecordMetadata:
    """Sets a record's metadata: the owner only as root; setuid, setgid and sticky only with `special_bits`."""

    def __init__(self, tally: Tally, *, special_bits: bool) -> None:
        self._tally = tally
        self._bits = ALL_BITS if special_bits else PERMISSIONS
        self._is_root = os.geteuid() == 0
        self._filesystem = Filesystem()

    def wanted(self, record: Record) -> Metadata:
        """The metadata that a record's file, folder or link is given."""
        found = metadata_of(record)
        return found if found.mode & self._bits == found.mode else found._replace(mode=found.mode & self._bits)

    def apply(self, fd: int, record: Record, *, live: os.stat_result | None = None) -> None:
        """Set the differing metadata of an open file or folder. `live`: its status; None for a new one without
        attributes.
        """
        wanted = self.wanted(record)
        status = live or os.fstat(fd)
        self._count_owner(wanted, status)
        if live:
            self._mend_xattrs(fd, record.xattrs)
        elif record.xattrs:
            self._set_xattrs(fd, record.xattrs)
        self._filesystem.set_metadata(fd, wanted, live=status)

    def apply_to_link(self, name: bytes, record: Record, *, at: int, live: os.stat_result) -> None:
        """Set owner and time of a symbolic link itself, where they differ."""
        wanted = self.wanted(record)
        self._count_owner(wanted, live)
        if (wanted.uid, wanted.gid) != (live.st_uid, live.st_gid):
            self._filesystem.set_owner(name, at=at, uid=wanted.uid, gid=wanted.gid)
        if wanted.mtime_ns != live.st_mtime_ns:
            os.utime(name, ns=(wanted.mtime_ns, wanted.mtime_ns), dir_fd=at, follow_symlinks=False)

    def _count_owner(self, wanted: Metadata, live: os.stat_result) -> None:
        if not self._is_root and (wanted.uid, wanted.gid) != (live.st_uid, live.st_gid):
            self._tally.left(owners=1)

    def _set_xattrs(self, fd: int, xattrs: dict[bytes, bytes]) -> None:
        for name, value in xattrs.items():
            try:
                if not name.startswith(_USER):
                    self._tally.left(xattrs=1)
                    continue
                os.setxattr(fd, name, value)
            except OSError:
                self._tally.left(xattrs=1)

    def _mend_xattrs(self, fd: int, xattrs: Xattrs) -> None:
        wanted = xattrs or {}
        for name in _names(fd):
            if name not in wanted:
                os.removexattr(fd, name)
        differing = {name: value for name, value in wanted.items() if _value(fd, name) != value}
        if differing:
            self._set_xattrs(fd, differing)


def metadata_of(record: Record) -> Metadata:
    """A record's metadata; raises `ManifestInvalid` when it is missing or out of range."""
    found = record.stat
    if found is not None and (metadata := Metadata(*found[:4])).is_possible:
        return metadata
    raise ManifestInvalid("the manifest has metadata out of range")


def _names(fd: int) -> list[bytes]:
    try:
        return [encoded for name in os.listxattr(fd) if (encoded := os.fsencode(name)).startswith(_USER)]
    except OSError:
        return []  # a filesystem without attributes


def _value(fd: int, name: bytes) -> bytes | None:
    try:
        return os.getxattr(fd, name)
    except OSError:
        return None
