"""Whether a file is as it was found earlier, as far as its stat can say: the one rule for leaving a file unread."""

from __future__ import annotations

import os
import stat
import time
from typing import Any, NamedTuple

# A program that writes through mapped memory dates the file when it first writes to a page, and not again until the
# kernel has written the page back: after 35 s, as Linux is set (vm.dirty_expire_centisecs and
# vm.dirty_writeback_centisecs).
WRITTEN_BACK_NS = 60_000_000_000


class Stat(NamedTuple):
    """The identity of an unchanged file: permission bits (with setuid, setgid, sticky), owner, times in ns, inode."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Trust:
    """Which stats are believed: of files that had been at rest for a minute when a scan began.

    A file that changed later may have changed again without another date, so it is read. Nothing is believed of a
    machine that started since: it may have lost a date that it had not yet written, and kept the content. Change times
    are the kernel's own: a file at rest that gets another content, owner or mode gets another one.

    `scan_started_ns` is None where no stat is to be believed; `machine_started_ns` is when the machine started that
    has the files now.
    """

    def __init__(self, scan_started_ns: int | None, *, machine_started_ns: int) -> None:
        is_used = scan_started_ns is not None and machine_started_ns < scan_started_ns
        self._before = scan_started_ns - WRITTEN_BACK_NS if is_used and scan_started_ns is not None else None

    def believes(self, ctime_ns: int) -> bool:
        """Whether a file with this change time is as it was when the scan began."""
        return self._before is not None and ctime_ns < self._before

    def holds(self, kept: tuple[Any, ...] | None, found: Stat | None) -> bool:
        """Whether the stat that is found now is the one that was kept, and can be believed."""
        return found is not None and kept == found and self.believes(found.ctime_ns)


def machine_started_ns() -> int:
    """The time at which this machine started, in ns since 1970."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def stat_from(status: os.stat_result) -> Stat:
    """The part of a status that tells whether a file is the same."""
    return Stat(
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )


def identity_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Inode, size, and times in ns: one of them changes with whatever is done to a file at rest."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
