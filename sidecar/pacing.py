"""Keeps backups out of the game's way: low I/O priority for the threads that read, and a limit of bytes a second."""

from __future__ import annotations

import ctypes
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

# ioprio_set(2), which the C library does not wrap, has another number on each architecture.
_NUMBERS: Final = {"x86_64": (252, 251), "aarch64": (31, 30), "riscv64": (31, 30)}
_THREAD: Final = 1  # IOPRIO_WHO_PROCESS; the id 0 is the calling thread
_LOWEST: Final = 2 << 13 | 7  # best effort, and the last of its eight levels: an idle class might never get a turn
_PAUSE_SECONDS: Final = 0.2
_BURST_SECONDS: Final = 0.1

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


class Bandwidth:
    """The bytes of content that all backups together may read a second; without a limit when it is 0."""

    def __init__(self, bytes_a_second: int = 0) -> None:
        self._rate = bytes_a_second
        self._lock = threading.Lock()
        self._free_at = 0.0

    def take(self, count: int, *, check: Callable[[], object]) -> None:
        """Wait until `count` bytes may be read. `check` is called meanwhile; its error ends the wait."""
        if not self._rate:
            return
        with self._lock:
            begin = max(self._free_at, time.monotonic() - _BURST_SECONDS)
            self._free_at = until = begin + count / self._rate
        while (seconds := until - time.monotonic()) > 0:
            check()
            time.sleep(min(seconds, _PAUSE_SECONDS))  # the pace itself; a cancel is looked for between


NO_LIMIT: Final = Bandwidth()
