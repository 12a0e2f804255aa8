"""What a test process has open."""

from __future__ import annotations

import errno
import gc
from pathlib import Path


def descriptors(folder: Path) -> list[str]:
    """What this process has open in a folder or below it, each as often as it is open.

    The rest of the process does not count: what an earlier test has left to the garbage collector closes at any time.
    """
    gc.collect()
    below = str(folder.resolve())
    ends = [_end(path, unknown=below) for path in Path("/proc/self/fd").iterdir()]
    return sorted(end for end in ends if end.startswith(below))


def _end(descriptor: Path, *, unknown: str) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # the one that listed them
        return ""
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return unknown
