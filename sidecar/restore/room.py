"""The room that staging takes on the data volume."""

from __future__ import annotations

import os

from sidecar.errors import NotEnoughSpace
from sidecar.restore.failures import Need, no_room
from sidecar.restore.limits import Limits

_ASKED_EVERY = 8 << 20


class Room:
    """Keeps the reserve free. `needed_bytes` of content are to be staged in all, as `needed_files` files and folders; 0
    while that is not known.
    """

    def __init__(self, root_fd: int, limits: Limits) -> None:
        self._root_fd = root_fd
        self._reserve = limits.reserve_bytes
        self._granted = 0
        self._claimed = 0
        self.needed_bytes = 0
        self.needed_files = 0

    def check(self, size: int) -> None:
        """Raise NotEnoughSpace when less than the reserve would stay free after `size` more bytes, or when the volume
        cannot hold as many more files and folders as are needed.
        """
        volume = os.fstatvfs(self._root_fd)
        if self._free() < size or (volume.f_files and volume.f_favail < self.needed_files):
            raise self.lack()

    def claim(self, size: int) -> None:
        """Take `size` bytes, unless `check` refuses them."""
        self._claimed += size
        self._granted -= size
        if self._granted < 0:
            self.check(size)
            self._granted = min(self._free() - size, _ASKED_EVERY)

    def lack(self, error: OSError | None = None) -> NotEnoughSpace:
        """The error that says how much must be free, the reserve counted in, and how much is now."""
        need = Need(max(self.needed_bytes, self._claimed) + self._reserve, self.needed_files)
        return no_room(self._root_fd, need, error)

    def _free(self) -> int:
        volume = os.fstatvfs(self._root_fd)
        return volume.f_bavail * volume.f_frsize - self._reserve
