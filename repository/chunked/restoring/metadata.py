"""What files, folders and links say beside their content: owner, permission bits, time, `user.*` attributes."""

from __future__ import annotations

import os
import stat

from repository.chunked.manifest.records import Record, Xattrs
from repository.chunked.restoring.outcome import Tally
from repository.errors import ManifestInvalid
from trees.trust import Stat

_PERMISSIONS = 0o777
_ALL_BITS = 0o7777
_USER = b"user."
_NOBODY = (1 << 32) - 1  # stands for no owner at all
_TIMES_NS = range(-(10**9 << 63), 10**9 << 63)  # of seconds in 64 bits; a filesystem takes the nearest that it has


class Metadata:
    """Sets what a record says. Owners as root only; setuid, setgid and sticky only where they are wanted."""

    def __init__(self, tally: Tally, *, special_bits: bool) -> None:
        self._tally = tally
        self._bits = _ALL_BITS if special_bits else _PERMISSIONS
        self._owner = (os.geteuid(), os.getegid())
        self._is_root = self._owner[0] == 0

    def apply(self, fd: int, record: Record, *, owner: tuple[int, int] | None = None) -> None:
        """Set everything of an open file or folder; `owner` is the one it has, where that is known."""
        wanted = stat_of(record)
        self._own(fd, wanted, owner)
        if record.xattrs:
            self._set_xattrs(fd, record.xattrs)
        os.fchmod(fd, wanted.mode & self._bits)
        os.utime(fd, ns=(wanted.mtime_ns, wanted.mtime_ns))

    def mode_of(self, record: Record) -> int:
        """The bits that a file or folder is given."""
        return stat_of(record).mode & self._bits

    def mend(self, fd: int, record: Record, live: os.stat_result) -> None:
        """Set what differs of an open file or folder."""
        wanted, mode = stat_of(record), stat.S_IMODE(live.st_mode)
        owner = (live.st_uid, live.st_gid)
        foreign = owner != (wanted.uid, wanted.gid)
        self._own(fd, wanted, owner)
        self._mend_xattrs(fd, record.xattrs)
        if mode != wanted.mode & self._bits or (foreign and self._is_root):
            os.fchmod(fd, wanted.mode & self._bits)
        if live.st_mtime_ns != wanted.mtime_ns:
            os.utime(fd, ns=(wanted.mtime_ns, wanted.mtime_ns))

    def apply_to_link(self, name: bytes, record: Record, *, at: int, live: os.stat_result) -> None:
        """Set owner and time of a symbolic link itself, where they differ."""
        wanted = stat_of(record)
        if (wanted.uid, wanted.gid) != (live.st_uid, live.st_gid):
            if self._is_root:
                os.chown(name, wanted.uid, wanted.gid, dir_fd=at, follow_symlinks=False)
            else:
                self._tally.left(owners=1)
        if wanted.mtime_ns != live.st_mtime_ns:
            os.utime(name, ns=(wanted.mtime_ns, wanted.mtime_ns), dir_fd=at, follow_symlinks=False)

    def owner_of_new(self, *, hands_down_group: bool) -> tuple[int, int] | None:
        """The owner of what we make in a folder, unless its group is the folder's."""
        return None if hands_down_group else self._owner

    def _own(self, fd: int, wanted: Stat, owner: tuple[int, int] | None) -> None:
        if owner == (wanted.uid, wanted.gid):
            return
        if self._is_root:
            os.fchown(fd, wanted.uid, wanted.gid)
        elif owner is not None or (wanted.uid, wanted.gid) != self._owner:
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


def stat_of(record: Record) -> Stat:
    """A record's metadata; raises `ManifestInvalid` unless it has some that can be set."""
    found = record.stat
    if (
        found is None
        or not (0 <= found.mode <= _ALL_BITS and 0 <= found.uid < _NOBODY and 0 <= found.gid < _NOBODY)
        or found.mtime_ns not in _TIMES_NS
    ):
        raise ManifestInvalid("the manifest holds metadata that cannot be")
    return found


def _names(fd: int) -> list[bytes]:
    try:
        return [encoded for name in os.listxattr(fd) if (encoded := os.fsencode(name)).startswith(_USER)]
    except OSError:
        return []  # a filesystem without them


def _value(fd: int, name: bytes) -> bytes | None:
    try:
        return os.getxattr(fd, name)
    except OSError:
        return None
