"""Finds the places of a data root, by walking its folders once."""

from __future__ import annotations

import contextlib
import os
import stat

from sidecar.descriptors import descriptors_limit
from sidecar.places.links import LinkRoots
from sidecar.places.mounts import Mounts, Origin
from sidecar.places.places import Left, Place, Places
from trees.fixed import is_frozen
from trees.folders import status_at
from trees.paths import RESERVED_FOLDER
from wire.enums import WarningKind

_USED = os.R_OK | os.W_OK | os.X_OK
NO_LINKS = LinkRoots()
_PLACES_MAX = 1000
_DESCRIPTORS_KEPT = 256
_DESCRIPTORS_A_PLACE = 20


def places_find(root_fd: int, links: LinkRoots = NO_LINKS) -> Places:
    """Find the places of an open data root; the caller closes them. Nothing is written.

    A folder that is reached twice, by mounts or by links, is a place where the walk meets it first. Later, a mount
    of it is left as it is, and a link to it stays a link. The same holds for all further mounts and links once there
    are 1000 places, or as many as this process can hold open beside its other files. Everything below a part that is
    left is left with it, though links there are known.
    """
    places = Places(root_fd)
    try:
        _Finding(places, links).run()
    except BaseException:
        places.close()
        raise
    return places


class _Finding:
    def __init__(self, places: Places, links: LinkRoots) -> None:
        self._places = places
        self._links = links
        self._mounts = Mounts(places.root.fd)
        self._origins = [self._mounts.origin(places.root.fd)]
        self._most = min(_PLACES_MAX, max(0, descriptors_limit() - _DESCRIPTORS_KEPT) // _DESCRIPTORS_A_PLACE)

    def run(self) -> None:
        """Walk every folder in order; the names still to come wait on a stack."""
        waiting = [b""]
        with contextlib.closing(self._places.tree()) as tree:
            while waiting:
                path = waiting.pop()
                with contextlib.suppress(OSError):  # deleted or forbidden: no backup has anything below it either
                    if not path or self._enters(path, *tree.parent(path)):
                        waiting += self._below(path, tree.open_folder(path))
        for point, device in self._mounts.points.items():
            if not self._places.is_top(point):
                self._places.left.setdefault(point, Left(WarningKind.MOUNTED, device))

    def _below(self, path: bytes, fd: int) -> list[bytes]:
        """The folders and links in a folder, in reverse order."""
        before = path + b"/" if path else b""
        is_top = self._places.is_top(path)
        try:
            with os.scandir(fd) as entries:
                names = [
                    os.fsencode(entry.name)
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False) or (self._links and entry.is_symlink())
                ]
        finally:
            os.close(fd)
        return [before + name for name in sorted(names, reverse=True) if not (is_top and name == RESERVED_FOLDER)]

    def _enters(self, path: bytes, at: int, name: bytes) -> bool:
        """Whether the walk enters a folder or link. If a place begins there, add the place first."""
        status = status_at(name, at=at)
        if status is None:
            return False
        if stat.S_ISLNK(status.st_mode):
            return self._follows(path, at, name)
        if not stat.S_ISDIR(status.st_mode):
            return False
        if not self._mounts.is_point(path, status, folder=at):
            return True
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
        origin = self._mounts.origin(fd)
        return self._takes(Place(path, fd, status.st_dev, bool(origin and origin.in_memory)), origin)

    def _follows(self, path: bytes, at: int, name: bytes) -> bool:
        text = os.readlink(name, dir_fd=at)
        target = self._links.follow(name, at=at)
        if target is None:
            return False
        origin = self._mounts.origin(target.fd)
        if not self._is_taken_in(origin):
            os.close(target.fd)
            return False
        device = os.fstat(target.fd).st_dev
        place = Place(path, target.fd, device, bool(origin and origin.in_memory), text, target.path)
        self._mounts.look_below(place.fd, path)
        return self._takes(place, origin)

    def _takes(self, place: Place, origin: Origin | None) -> bool:
        if not self._is_taken_in(origin):
            self._places.left[place.path] = Left(place.kind, place.device)
            os.close(place.fd)
            return False
        self._origins.append(origin)
        self._places.add(place)
        if not _is_usable(place.fd):
            self._places.leave(place)
        return True

    def _is_taken_in(self, origin: Origin | None) -> bool:
        """Whether a folder overlaps no known place, as far as the mount table shows."""
        if origin is None or len(self._places.parts) >= self._most:
            return False
        return not any(known is None or known.overlaps(origin) for known in self._origins)


def _is_usable(fd: int) -> bool:
    """Whether this process may change names in an open folder, and the reserved name in it is free or ours."""
    if os.fstatvfs(fd).f_flag & os.ST_RDONLY or not os.access(f"/proc/self/fd/{fd}", _USED, effective_ids=True):
        return False
    reserved = status_at(RESERVED_FOLDER, at=fd)
    if reserved is not None and (not stat.S_ISDIR(reserved.st_mode) or reserved.st_uid != os.geteuid()):
        return False
    return not is_frozen(fd)
