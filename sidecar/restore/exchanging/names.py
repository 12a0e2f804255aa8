"""Exchanges the names. Each step first checks how much of it is already done.

Only the exchange writes to the staged side, so that side shows the progress of a step: while the staged inode is at its
staged place, the step is not done. Each step is thereby idempotent in both directions, without a journal entry of its
own.
"""

from __future__ import annotations

import errno
import os

from sidecar.places.places import Place, PlacedTree, Places
from sidecar.restore.exchanging.aside import Aside
from sidecar.restore.workspace.plan import Step
from sidecar.restore.workspace.workspace import Workspace


class NameExchange:
    """The names of a live tree and of a staged one. All methods raise OSError."""

    def __init__(self, places: Places, workspace: Workspace, live: PlacedTree) -> None:
        self._places = places
        self._workspace = workspace
        self._filesystem = workspace.filesystem
        self._live = live
        self._staged = workspace.staged_tree()
        self._asides: dict[Place, Aside] = {}

    def forward(self, step: Step) -> None:
        """Do a step."""
        (self._put if step.staged else self._take)(step)

    def backward(self, step: Step) -> None:
        """Undo a step that was done in whole or in part."""
        (self._put_back if step.staged else self._take_back)(step)

    def close(self) -> None:
        """Close the descriptors."""
        self._staged.close()

    def _put(self, step: Step) -> None:
        """Give the staged inode its live name; the inode displaced from it goes to the staged place, or aside."""
        if self._staged_inode(step) != step.staged:
            return
        now = self._inode(self._live, step.path)
        live_at, name = self._live.parent(step.path)
        staged_at, _ = self._staged.parent(step.path)
        # Only the planned inode may take the staged place: another one could not be recognized later.
        if now and now == step.live and self._filesystem.exchange(name, at=staged_at, other=name, other_at=live_at):
            return
        if now:
            self._aside(step).take(step.path, step.number)
        self._filesystem.move(name, at=staged_at, to=name, to_at=live_at)

    def _put_back(self, step: Step) -> None:
        """Undo `_put`, whichever of its two ways it took, and even if it was interrupted."""
        now = self._inode(self._live, step.path)
        if step.live and now == step.live:
            self._aside(step).give_back(step.path, step.number)
            return
        displaced = self._staged_inode(step)
        live_at, name = self._live.parent(step.path)
        staged_at, _ = self._staged.parent(step.path)
        if displaced and displaced == step.live:
            if not now:
                self._filesystem.move(name, at=staged_at, to=name, to_at=live_at)
            elif not self._filesystem.exchange(name, at=staged_at, other=name, other_at=live_at):
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            return
        if now and not displaced:
            self._filesystem.move(name, at=live_at, to=name, to_at=staged_at)
            now = 0
        if not now and self._aside(step).has(step.number):
            self._filesystem.move(step.number, at=self._aside(step).fd, to=name, to_at=live_at)

    def _take(self, step: Step) -> None:
        """Move a live name aside. A name that was made anew afterwards is not the planned one, and stays."""
        now = self._inode(self._live, step.path)
        if now and (now == step.live or not self._aside(step).has(step.number)):
            self._aside(step).take(step.path, step.number)

    def _take_back(self, step: Step) -> None:
        now = self._inode(self._live, step.path)
        live_at, name = self._live.parent(step.path)
        if now == step.live:
            self._aside(step).give_back(step.path, step.number)
        elif not self._aside(step).has(step.number):
            return
        elif not now:
            self._filesystem.move(step.number, at=self._aside(step).fd, to=name, to_at=live_at)
        elif not self._filesystem.exchange(step.number, at=self._aside(step).fd, other=name, other_at=live_at):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _aside(self, step: Step) -> Aside:
        place = self._places.of(step.path)
        if place not in self._asides:
            self._asides[place] = Aside(self._live, self._workspace, self._workspace.part(place))
        return self._asides[place]

    def _staged_inode(self, step: Step) -> int:
        """The inode at a staged place: the staged inode, the one it displaced, or none. Raise ESTALE for any other, as
        on a volume that numbers its inodes anew: the exchange stops rather than guess.
        """
        inode = self._inode(self._staged, step.path)
        if inode not in (0, step.staged, step.live):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return inode

    @staticmethod
    def _inode(tree: PlacedTree, path: bytes) -> int:
        """The inode of a name, 0 for a missing name."""
        status = tree.status(path)
        return status.st_ino if status else 0
