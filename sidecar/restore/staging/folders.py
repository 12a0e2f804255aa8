"""The folders of the staged tree: folders with members, implied folders, and the names of places."""

from __future__ import annotations

import os
import stat

from sidecar.places.places import Place, Places
from sidecar.restore.reading.limits import ImpliedFolders
from sidecar.restore.workspace.workspace import Workspace
from trees.folders import is_folder, status_at

_IMPLIED_MODE = 0o755


class StagedFolders:
    """Finds the parent folder of a path in the staged tree, and makes missing folders on the way.

    A folder that is only implied by a path gets the data root's owner. All methods raise ArchiveRefused or OSError.
    """

    def __init__(self, places: Places, workspace: Workspace) -> None:
        self._filesystem = workspace.filesystem
        self._places = places
        self._owner = os.fstat(places.root.fd)
        self._implied = ImpliedFolders()
        self._tree = workspace.staged_tree()
        self._begun: set[Place] = set()

    def member(self) -> None:
        """Count one more member: the number of members bounds that of implied folders."""
        self._implied.member()

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """The parent folder of `path`, as descriptor and name; missing folders are made."""
        place = self._places.of(path)
        if place is not self._places.root and place not in self._begun:
            self._begin(place)
        try:
            return self._tree.parent(path)
        except FileNotFoundError:
            top = place.path + b"/" if place.path else b""
            self._make_implied(top, path[len(top) :].split(b"/")[:-1])
            return self._tree.parent(path)

    def way_clear(self, path: bytes) -> tuple[int, bytes]:
        """As `parent`, and remove an earlier member's file of that name: the last member counts."""
        at, name = self.parent(path)
        status = status_at(name, at=at)
        if status is not None and stat.S_ISREG(status.st_mode):
            self._filesystem.remove_file(name, at=at)
        return at, name

    def find(self, path: bytes) -> tuple[int, bytes]:
        """As `parent`, but make nothing. Raise FileNotFoundError when there is no such folder."""
        return self._tree.parent(path)

    def has_file(self, path: bytes) -> bool:
        """Whether a file of that path is staged."""
        try:
            status = self._tree.status(path)
        except FileNotFoundError:
            return False
        return status is not None and stat.S_ISREG(status.st_mode)

    def close(self) -> None:
        """Close the descriptors."""
        self._tree.close()

    def _begin(self, place: Place) -> None:
        """Make a folder in the place of a place's name, by which the plan finds the place."""
        at, name = self.parent(place.path)
        if not is_folder(name, at=at):
            self._filesystem.make_folder(name, at=at, mode=_IMPLIED_MODE)
        self._begun.add(place)

    def _make_implied(self, top: bytes, parts: list[bytes]) -> None:
        """Make the missing folders of a path below a place, in one descent."""
        folder = os.dup(self._tree.parent(top + parts[0])[0])
        try:
            for name in parts:
                if status_at(name, at=folder) is None:
                    self._implied.folder()
                    self._filesystem.make_folder(name, at=folder, mode=_IMPLIED_MODE)
                    self._filesystem.set_owner(name, at=folder, uid=self._owner.st_uid, gid=self._owner.st_gid)
                below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                os.close(folder)
                folder = below
        finally:
            os.close(folder)
