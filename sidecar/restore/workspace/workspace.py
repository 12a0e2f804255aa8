"""The workspace: an operation's folder in the reserved one."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import BinaryIO, NamedTuple, Self

from sidecar.places.places import Place, PlacedTree, Places
from sidecar.restore.workspace.journal import JOURNAL
from trees.filesystem import Filesystem
from trees.folders import folder_scan, is_folder, status_at
from trees.removal import folder_clear, folder_lift

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = b"new"
_OLD = b"old"
UNCHANGED = b"kept"
STAYING = b"staying"
UNSET = b"unset"
PLACES = b"places"


class Staged(NamedTuple):
    """The folder in which the members of a place are staged."""

    path: bytes
    fd: int


class Workspace:
    """The folder `.savepoint/{operation}/`, held open.

    Beside the journal: `new/` is the staged tree, and after an exchange holds the displaced files; `old/` is flat and
    holds the removed names, numbered by step. The other files are lists: those of the plan (see `plan`; `staying` lasts
    as long as the journal), `links` (symlinks still to be staged), `folders` (the members that are folders), `kept`
    (unchanged live files), `piecewise` (the old metadata of live folders whose content was moved name by name),
    `places` (see `parts`).

    `parts` are the workspaces in other places, with `new/` and `old/` of their own and no journal and no lists.
    """

    def __init__(self, reserved_fd: int, name: bytes, filesystem: Filesystem) -> None:
        """Open an operation's folder. Raise FileNotFoundError when there is none."""
        self._reserved_fd = reserved_fd
        self.name = name
        self.opened = contextlib.ExitStack()
        self.parts: dict[Place, Workspace] = {}
        self.places: Places | None = None
        self.fd = self._open_folder(name, at=reserved_fd)
        self.filesystem = filesystem

    @classmethod
    def make(cls, reserved_fd: int, name: bytes, filesystem: Filesystem) -> Self:
        """Make an operation's folder, which must not exist, ready for staging; a failure leaves nothing behind."""
        filesystem.make_folder(name, at=reserved_fd, mode=stat.S_IRWXU)
        workspace = cls(reserved_fd, name, filesystem)
        try:
            filesystem.make_folder(_OLD, at=workspace.fd, mode=stat.S_IRWXU)
            filesystem.make_folder(_NEW, at=workspace.fd, mode=stat.S_IRWXU)
        except BaseException:
            with contextlib.suppress(OSError):
                workspace.discard()
            workspace.close()
            raise
        return workspace

    def staged(self) -> int:
        """A descriptor of `new/`, which the workspace closes."""
        return self._open_folder(_NEW, at=self.fd)

    def aside(self) -> int:
        """A descriptor of `old/`, which the workspace closes."""
        return self._open_folder(_OLD, at=self.fd)

    def staged_tree(self) -> PlacedTree:
        """The staged tree, over all places."""
        parts = [Staged(place.path, part.staged()) for place, part in self.parts.items()]
        return PlacedTree(Staged(b"", self.staged()), parts)

    def part(self, place: Place) -> Workspace:
        """The workspace in a place."""
        return self.parts.get(place, self)

    def list_made(self, name: bytes) -> int:
        """Begin one of the lists, emptying an earlier one, and return its descriptor, which the workspace closes."""
        if status_at(name, at=self.fd) is not None:
            self.filesystem.remove_file(name, at=self.fd)
        fd = self.filesystem.make_file(name, at=self.fd)
        self.opened.callback(os.close, fd)
        return fd

    def list_continued(self, name: bytes) -> int:
        """As `list_made`, but append to an earlier list."""
        if status_at(name, at=self.fd) is None:
            return self.list_made(name)
        fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        self.opened.callback(os.close, fd)
        return fd

    def has_list(self, name: bytes) -> bool:
        """Whether one of the lists was begun."""
        return status_at(name, at=self.fd) is not None

    def list_read(self, name: bytes) -> BinaryIO:
        """Open one of the lists for reading, anew on each call; the caller closes it."""
        return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd), "rb")

    def sync(self) -> None:
        """Sync the volume, and those of the other places."""
        for workspace in (self, *self.parts.values()):
            self.filesystem.sync_volume(workspace.fd)

    def sweep(self) -> None:
        """Remove everything in all places but the journal and the list `staying`, which belongs to the outcome.

        An interrupted sweep can be repeated. The list of the places stays while one of them is away.
        """
        self._sweep_own()
        for part in self.parts.values():
            part.discard()
        if self.places and not self.places.away and self.has_list(PLACES):
            self.filesystem.remove_file(PLACES, at=self.fd)

    def _sweep_own(self) -> None:
        if not is_folder(_OLD, at=self.fd):
            return  # made first and removed last
        old = self.aside()
        for name in list(folder_scan(self.fd)):
            if name in (JOURNAL, PLACES, _OLD) or (name == STAYING and os.stat(name, dir_fd=self.fd).st_size):
                continue
            if is_folder(name, at=self.fd):
                folder_lift(name, at=self.fd, top=old, filesystem=self.filesystem)
            else:
                self.filesystem.remove_file(name, at=self.fd)
        folder_clear(old, self.filesystem)
        self.filesystem.remove_folder(_OLD, at=self.fd)

    def forget(self) -> None:
        """Remove the journal, durably."""
        if status_at(JOURNAL, at=self.fd) is not None:
            self.filesystem.remove_file(JOURNAL, at=self.fd)
            self.filesystem.sync(self.fd)

    def discard(self) -> None:
        """Remove the whole folder, the journal first: a commit record whose write failed must not be found later beside
        half a staged tree.
        """
        self.forget()
        self.sweep()
        if status_at(STAYING, at=self.fd) is not None:
            self.filesystem.remove_file(STAYING, at=self.fd)
        self.filesystem.remove_folder(self.name, at=self._reserved_fd)

    @property
    def is_there(self) -> bool:
        """Whether the folder still has its name, since it may be discarded more than once."""
        return is_folder(self.name, at=self._reserved_fd)

    def close(self) -> None:
        """Close every descriptor."""
        self.opened.close()

    def _open_folder(self, name: bytes, *, at: int) -> int:
        fd = os.open(name, _FOLDER, dir_fd=at)
        self.opened.callback(os.close, fd)
        return fd
