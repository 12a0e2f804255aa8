"""The C library's memory allocator, set for the megabyte messages of the wire."""

import ctypes
from typing import Final

# malloc.h of the GNU C library.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_ARENAS: Final = 4
_MMAP_FROM: Final = 1 << 30
_TRIM_FROM: Final = (1 << 31) - 1


def allocator_tune() -> None:
    """Keep large blocks for reuse; to be called before the process has threads. Only glibc is changed.

    By default each message of a megabyte is mapped from the system, faulted in page by page and unmapped
    again, which costs more than moving its bytes. Raising the mmap threshold alone moves the same cost to
    trimming the heap, and without a bound on arenas every thread would keep blocks of its own: the three
    belong together.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_FROM)
    mallopt(_M_ARENA_MAX, _ARENAS)
