"""Keeps backups out of the game's way: low I/O priority for the threads that read."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# ioprio_set(2), which the C library does not wrap, has another number on each architecture.
_NUMBERS: Final = {"x86_64": (252, 251), "aarch64": (31, 30), "riscv64": (31, 30)}
_THREAD: Final = 1  # IOPRIO_WHO_PROCESS; the id 0 is the calling thread
_LOWEST: Final = 2 << 13 | 7  # best effort, and the last of its eight levels: an idle class might never get a turn

_libc: Final = ctypes.CDLL(None, use_errno=True)


@contextmanager
def low_priority() -> Iterator[None]:
    """Let the disk serve this thread after others, where the system can; the thread must be the same throughout."""
    get, set_ = _NUMBERS.get(platform.machine(), (0, 0))
    before = _libc.syscall(get, _THREAD, 0) if get else -1
    if before >= 0:
        _libc.syscall(set_, _THREAD, 0, _LOWEST)
    try:
        yield
    finally:
        if before >= 0:
            _libc.syscall(set_, _THREAD, 0, before)
