"""Live files that nobody touched since the snapshot read them: they need not be read to know what is in them."""

from __future__ import annotations

import os
import stat
import time

from repository.snapshots.root import Root
from repository.tree.records import Record

# What a program writes through mapped memory dates the file once, until the kernel has written it back: after 35 s, as
# Linux is set (vm.dirty_expire_centisecs, vm.dirty_writeback_centisecs).
WRITTEN_BACK_NS = 60_000_000_000


def trusted_before(root: Root) -> int | None:
    """The change time up to which a live file's stat is believed, in ns since 1970; None: not at all.

    What changed in the minute before the snapshot's scan, or during it, may have changed again without another date.
    Since a machine that went down may have lost what it had not yet written, nothing is believed of one that started
    since.
    """
    started_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return None if started_ns >= root.scan_started_ns else root.scan_started_ns - WRITTEN_BACK_NS


def is_untouched(record: Record, others: list[Record], found: os.stat_result, before: int) -> bool:
    """Whether this is the file that the record was made of, and it was read in peace; `others` are its parts.

    The kernel alone sets change times: a file at rest that gets another content, owner or mode gets another one.
    """
    kept = record.stat
    if kept is None or found.st_size != record.size or not stat.S_ISREG(found.st_mode):
        return False
    same = kept == (
        stat.S_IMODE(found.st_mode),
        found.st_uid,
        found.st_gid,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino,
    )
    return same and found.st_ctime_ns < before and all(part.warning is None for part in (record, *others))
