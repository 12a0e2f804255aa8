"""The rule for leaving a file unread: its stat shows that it did not change since an earlier scan."""

from __future__ import annotations

import os
import stat
import time
from typing import Any, NamedTuple

# A write through mapped memory updates the file's time only with the first write to a page, and not again until the
# kernel has written that page back. Linux does so within 35 s by default (vm.dirty_expire_centisecs and
# vm.dirty_writeback_centisecs).
WRITTEN_BACK_NS = 60_000_000_000


class Stat(NamedTuple):
    """The identity of an unchanged file: mode (with setuid, setgid, sticky), owner, times in ns, inode."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Trust:
    """Decides which stats prove that a file is unchanged: those of files that had been at rest for a minute at a scan.

    A file that changed later than that may have changed again with the same time, so it is read. After a restart of
    the machine every file is read: a time may have been lost that was not yet written, while the content was. The
    change time is set by the kernel alone: a new content, owner or mode of a file at rest gives it a new one.

    `scan_started_ns`: None when no stat is trusted. `machine_started_ns`: the start of the machine that has the files
    now.
    """

    def __init__(self, scan_started_ns: int | None, *, machine_started_ns: int) -> None:
        is_used = scan_started_ns is not None and machine_started_ns < scan_started_ns
        self._before = scan_started_ns - WRITTEN_BACK_NS if is_used and scan_started_ns is not None else None

    def believes(self, ctime_ns: int) -> bool:
        """Whether this change time proves that the file is unchanged since the scan began."""
        return self._before is not None and ctime_ns < self._before

    def holds(self, kept: tuple[Any, ...] | None, found: Stat | None) -> bool:
        """Whether the stat found now equals the stored one, and is trusted."""
        return found is not None and kept == found and self.believes(found.ctime_ns)


def machine_started_ns() -> int:
    """The time at which this machine started, in ns since 1970."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def stat_from(status: os.stat_result) -> Stat:
    """The part of a status that identifies an unchanged file."""
    return Stat(
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )


def identity_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Inode, size, and times in ns: any change of a file at rest changes one of them."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
