"""Trees to restore onto, and snapshots of all that a restore promises of them."""

from __future__ import annotations

import os
from pathlib import Path

from demo.comparison import live_read, tree_read

snapshot, live = tree_read, live_read


def write(path: Path, content: bytes = b"", *, mode: int = 0o644, mtime_ns: int = 1_600_000_000_123_456_789) -> Path:
    """Write a file with parents, mode and time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def settle(top: Path) -> None:
    """Give every folder below `top` a time of its own, deepest first."""
    for number, (folder, _, _) in enumerate(os.walk(top, topdown=False)):
        at = 1_500_000_000_000_000_001 + number * 1_000_000_007
        os.utime(folder, ns=(at, at))
