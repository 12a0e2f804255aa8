"""Figures of a process from /proc."""

from __future__ import annotations

import mmap
from pathlib import Path

MIB = 1 << 20
TICKS_PER_SECOND = 100
"""USER_HZ, in which processor time is counted."""
_MADV_POPULATE_WRITE = 23


def children_of(pid: int) -> list[int]:
    """The processes it started."""
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def status_mib(pid: int, field: str) -> float:
    """A size in its status, in MiB: `VmRSS` is its memory now, `VmHWM` the most it ever was."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / MIB
    raise LookupError(field)


def peak_begin(pid: int) -> None:
    """Let the most it ever was begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """The processor time it has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def memory_touch(size: int) -> None:
    """Use so many bytes of memory, and free them again.

    The host of a virtual machine may take back free memory; the first touch of a page then waits for it, several times
    as long as the write itself. Memory that was touched right before is available at once.
    """
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as room:
        room.madvise(_MADV_POPULATE_WRITE)
