"""The metadata that a restore sets beside content."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple, Self

PERMISSIONS = 0o777
SPECIAL_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
ALL_BITS = PERMISSIONS | SPECIAL_BITS
_NO_ID = (1 << 32) - 1  # chown(2) takes it as "leave it as it is"
_TIMES_NS = range(-(10**9 << 63), 10**9 << 63)  # the range of a 64-bit time_t; a filesystem rounds to its own


class Metadata(NamedTuple):
    """Permission bits, numeric owner and modification time (nanoseconds since 1970) of a path."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int

    @classmethod
    def of(cls, live: os.stat_result) -> Self:
        """A live path's metadata, with all twelve mode bits."""
        return cls(stat.S_IMODE(live.st_mode), live.st_uid, live.st_gid, live.st_mtime_ns)

    @property
    def is_possible(self) -> bool:
        """Whether a file can have this metadata."""
        mode, uid, gid, mtime_ns = self
        return 0 <= mode <= ALL_BITS and 0 <= uid < _NO_ID and 0 <= gid < _NO_ID and mtime_ns in _TIMES_NS

    def settable(self, live: os.stat_result) -> Metadata:
        """This metadata, with the live path's owner unless this process is root: only root can set owners."""
        return self if os.geteuid() == 0 else self._replace(uid=live.st_uid, gid=live.st_gid)

    def differs_for_folder(self, live: os.stat_result) -> bool:
        """Whether a live folder has other permissions or another owner than it can be given. Its time and its special
        bits, which it keeps, do not count.
        """
        wanted, has = self.settable(live), Metadata.of(live)
        return (wanted.mode ^ has.mode) & PERMISSIONS != 0 or (wanted.uid, wanted.gid) != (has.uid, has.gid)
