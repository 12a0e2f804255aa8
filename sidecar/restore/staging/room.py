"""The room that staging takes on the volumes of the data."""

from __future__ import annotations

import os

from sidecar.errors import NotEnoughSpace
from sidecar.places.places import Place, Places
from sidecar.restore.reading.limits import Limits
from sidecar.restore.workspace.failures import Need, no_room

_ASKED_EVERY = 8 << 20


class Rooms:
    """The rooms of all places; those on one volume share it."""

    def __init__(self, places: Places, limits: Limits) -> None:
        self._places = places
        self._limits = limits
        self._rooms: dict[int, Room] = {}
        self.root = self.of(places.root)

    def of(self, place: Place) -> Room:
        """The room of a place."""
        if place.device not in self._rooms:
            self._rooms[place.device] = Room(place.fd, self._limits)
        return self._rooms[place.device]

    def holding(self, path: bytes) -> Room:
        """The room of the place that has a path."""
        return self.of(self._places.of(path))

    def recount(self, needed: dict[Place, Need], *, own_files: int) -> None:
        """Set the needs of each used place, each with `own_files` more files of the extraction itself."""
        used = [self._places.root, *self._places.used]
        for room in self._rooms.values():
            room.needed_bytes = room.needed_files = 0
        for place in used:
            room, need = self.of(place), needed.get(place, Need())
            room.needed_bytes += need.bytes
            room.needed_files += need.files + own_files


class Room:
    """Keeps the reserve of a volume free. `needed_bytes`, `needed_files`: the total content and number of files and
    folders to stage; 0 while they are unknown.
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
        if not self.has(size):
            raise self.lack()

    def has(self, size: int) -> bool:
        """Whether `check` accepts `size` more bytes."""
        volume = os.fstatvfs(self._root_fd)
        return self._free() >= size and not (volume.f_files and volume.f_favail < self.needed_files)

    def claim(self, size: int) -> None:
        """Count `size` bytes as taken. Raises as `check`."""
        self._claimed += size
        self._granted -= size
        if self._granted < 0:
            self.check(size)
            self._granted = min(self._free() - size, _ASKED_EVERY)

    def lack(self, error: OSError | None = None) -> NotEnoughSpace:
        """The error, with the bytes that must be free, including the reserve, and those that are free now."""
        need = Need(max(self.needed_bytes, self._claimed) + self._reserve, self.needed_files)
        return no_room(self._root_fd, need, error)

    def _free(self) -> int:
        volume = os.fstatvfs(self._root_fd)
        return volume.f_bavail * volume.f_frsize - self._reserve
