"""The open descriptors of a test process."""

from __future__ import annotations

import errno
import gc
from pathlib import Path


def descriptors(folder: Path) -> list[str]:
    """The paths in a folder that this process has open, each as often as it is open.

    Descriptors elsewhere do not count: the garbage collector may close those of an earlier test at any time.
    """
    gc.collect()
    below = str(folder.resolve())
    ends = [_end(path, unknown=below) for path in Path("/proc/self/fd").iterdir()]
    return sorted(end for end in ends if end.startswith(below))


def _end(descriptor: Path, *, unknown: str) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # the descriptor of this listing itself
        return ""
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return unknown
