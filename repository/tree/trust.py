"""Whether a file is as a snapshot found it, as far as its stat can say: the one rule for leaving a file unread."""

from __future__ import annotations

from typing import Any

from repository.sources.protocol import Stat
from repository.tree.records import Record
from repository.tree.stream import RawEntry

# A program that writes through mapped memory dates the file when it first writes to a page, and not again until the
# kernel has written the page back: after 35 s, as Linux is set (vm.dirty_expire_centisecs and
# vm.dirty_writeback_centisecs).
WRITTEN_BACK_NS = 60_000_000_000


class Trust:
    """Which stats are believed: of files that had been at rest for a minute when the snapshot's scan began.

    A file that changed later may have changed again without another date, so it is read. Nothing is believed of a
    machine that started since: it may have lost a date that it had not yet written, and kept the content. Change times
    are the kernel's own: a file at rest that gets another content, owner or mode gets another one.

    `scan_started_ns` is the snapshot's, None where no stat is to be believed; `machine_started_ns` is when the machine
    started that has the files now.
    """

    def __init__(self, scan_started_ns: int | None, *, machine_started_ns: int) -> None:
        is_used = scan_started_ns is not None and machine_started_ns < scan_started_ns
        self._before = scan_started_ns - WRITTEN_BACK_NS if is_used and scan_started_ns is not None else None

    def holds(self, kept: tuple[Any, ...] | None, found: Stat | None) -> bool:
        """Whether the stat that is found now is the one that was kept, and can be believed."""
        return self._before is not None and found is not None and kept == found and found.ctime_ns < self._before

    def holds_file(self, record: Record, parts: list[Record], *, found: Stat, size: int) -> bool:
        """Whether a file has what its record and parts say: they were read in peace, and nobody touched it since."""
        whole = all(part.warning is None for part in (record, *parts))
        return whole and record.size == size and self.holds(record.stat, found)

    def holds_raw_file(self, known: RawEntry, *, found: Stat | None, size: int) -> bool:
        """The same of a file's record and parts as they stand in the manifest. Raises IndexError, TypeError."""
        array = known.array
        if not self.holds(array[2][:6], found) or array[3] != size:
            return False
        return array[6] is None and all(part[4] is None for part, _ in known.parts)
