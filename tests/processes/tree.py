"""The processes of one home, found by SAVEPOINT_HOME in their environment."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def processes_of(home: Path) -> dict[int, str]:
    """Process ids and command lines of the processes with this home, without zombies."""
    wanted = f"SAVEPOINT_HOME={home}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        # A process may end during the scan.
        with suppress(OSError):
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = line_of(int(entry.name))
    return found


def descendants_of(pid: int) -> set[int]:
    """All descendants of a process."""
    found = set()
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found |= {int(child), *descendants_of(int(child))}
    return found


def line_of(pid: int) -> str:
    """A process's command line; empty when it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def parent_of(pid: int) -> int:
    return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
