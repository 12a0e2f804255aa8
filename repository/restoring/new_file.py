"""A file that is being made: its large pieces are written past the page cache, where there is a disk below.

Through the cache every byte is copied to a page that has to be found first, and is written back before a restore may
call itself done; and what a running game has in the cache makes way for it (docs/decisions/0021).
"""

from __future__ import annotations

import errno
import os
import threading
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

ALIGNMENT = 4096
"""What the sectors of a disk divide: where direct writes begin, and a multiple of which they are long."""
DIRECT_SIZE_MIN = 256 << 10
"""Less than that in one write is not worth a wait for the disk."""
_ROOM_SIZE = 1 << 20


class _Room(threading.local):
    """A thread's own memory for direct writes, which have to begin at a page."""

    def __init__(self) -> None:
        self.view = memoryview(mmap(-1, _ROOM_SIZE, flags=MAP_PRIVATE | MAP_ANONYMOUS))


_room = _Room()


_DIRECT = os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC
_FAILED = errno.EIO, errno.EROFS


class NewFile:
    """A file open for writing. `direct`: large pieces go past the page cache, if the filesystem lets them.

    Threads may write different ranges at once.
    """

    __slots__ = ("_direct", "fd")

    def __init__(self, fd: int, *, direct: bool) -> None:
        self.fd = fd
        self._direct = _opened_again(fd) if direct else -1

    def write(self, view: memoryview, offset: int) -> None:
        """Write all of it at that offset; raises OSError."""
        size = len(view)
        if self._direct < 0 or size < DIRECT_SIZE_MIN:
            self._write(view, offset)
            return
        begin, end = -(-offset // ALIGNMENT) * ALIGNMENT, (offset + size) // ALIGNMENT * ALIGNMENT
        self._write(view[: begin - offset], offset)
        for at in range(begin, end, _ROOM_SIZE):
            self._write_direct(view[at - offset : min(at + _ROOM_SIZE, end) - offset], at)
        self._write(view[end - offset :], end)

    def close(self) -> None:
        """Give back the descriptors; raises OSError."""
        fd, direct, self.fd, self._direct = self.fd, self._direct, -1, -1
        try:
            if direct >= 0:
                os.close(direct)
        finally:
            if fd >= 0:
                os.close(fd)

    def _write(self, view: memoryview, offset: int) -> None:
        while view:
            written = os.pwrite(self.fd, view, offset)
            view, offset = view[written:], offset + written

    def _write_direct(self, view: memoryview, offset: int) -> None:
        room = _room.view[: len(view)]
        room[:] = view
        written = 0
        try:
            written = os.pwrite(self._direct, room, offset)
        except OSError as error:
            if error.errno in _FAILED:
                raise
            # Larger sectors, a full volume: written the other way it works, or says what is wrong.
        self._write(view[written:], offset + written)


def _opened_again(fd: int) -> int:
    """The same file for direct writes, whatever has its name by now; -1 where that cannot be."""
    try:
        return os.open(f"/proc/self/fd/{fd}", _DIRECT)
    except OSError:
        return -1
