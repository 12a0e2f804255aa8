"""The folder of an exchange that holds the removed names, numbered by step.

On an overlay filesystem a folder of a lower layer cannot be renamed (EXDEV), unlike a file, or a folder of the upper
layer. The content of such a folder is moved name by name, and so are such folders in it. Their metadata is recorded
first, because a rollback makes these folders anew.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from itertools import islice

from sidecar.places.places import PlacedTree
from sidecar.restore.workspace.records import RecordWriter
from sidecar.restore.workspace.workspace import Workspace
from trees.beneath import Tree
from trees.filesystem import Filesystem
from trees.folders import fd_closing, folder_scan, is_folder, status_at
from trees.metadata import Metadata

PIECEWISE = b"piecewise"
_BATCH = 10_000


class Aside:
    """The names removed from a live tree, in one place of it. All methods raise OSError."""

    def __init__(self, live: PlacedTree, workspace: Workspace, part: Workspace) -> None:
        self.fd = part.aside()
        self._live = live
        self._workspace = workspace
        self._filesystem = workspace.filesystem
        self._noted: RecordWriter | None = None

    def has(self, number: bytes) -> bool:
        """Whether a step moved something aside."""
        return status_at(number, at=self.fd) is not None

    def take(self, path: bytes, number: bytes) -> None:
        """Move a live name aside, or the rest of a folder that was partly moved."""
        at, name = self._live.parent(path)
        begun = self.has(number)
        if not begun or not is_folder(name, at=at):
            try:
                self._filesystem.move(name, at=at, to=number, to_at=self.fd)
            except OSError as error:
                if error.errno != errno.EXDEV or not is_folder(name, at=at):
                    raise
            else:
                return
        with fd_closing(self._live.open_folder(path)) as source:
            if not begun:
                self._note(path, os.fstat(source))
                self._filesystem.make_folder(number, at=self.fd, mode=stat.S_IRWXU)
            self._move_contents(path, source, number, outward=True)
        self._filesystem.remove_folder(name, at=at)

    def give_back(self, path: bytes, number: bytes) -> None:
        """Move the names back that were moved out of a live folder which still exists, if any."""
        if not is_folder(number, at=self.fd):
            return
        with fd_closing(self._live.open_folder(path)) as target:
            self._move_contents(path, target, number, outward=False)
        self._filesystem.remove_folder(number, at=self.fd)

    def _move_contents(self, path: bytes, live: int, number: bytes, *, outward: bool) -> None:
        with fd_closing(Tree(self.fd).open_folder(number)) as aside:
            source, target = (live, aside) if outward else (aside, live)
            _contents_move(
                self._filesystem,
                source=source,
                target=target,
                on_folder=lambda below, status: self._note(path + b"/" + below, status),
            )

    def _note(self, path: bytes, status: os.stat_result) -> None:
        if self._noted is None:
            self._noted = RecordWriter(self._workspace.list_continued(PIECEWISE), self._filesystem)
        self._noted.add(*Metadata.of(status), path)
        self._noted.flush()


def _contents_move(
    filesystem: Filesystem, *, source: int, target: int, on_folder: Callable[[bytes, os.stat_result], None]
) -> None:
    """Move everything in one open folder into another, which may have a part of it after an interrupted call.

    `on_folder` is called with path and status before a folder is made in `target`, with mode 0700.
    """
    path = b""
    sources, targets = Tree(source), Tree(target)
    try:
        while True:
            name = _names_move(filesystem, path, sources, targets, on_folder)
            if name is not None:
                path = path + b"/" + name if path else name
            elif path:
                at, last = sources.parent(path)
                filesystem.remove_folder(last, at=at)
                path = path.rpartition(b"/")[0]
            else:
                return
    finally:
        sources.close()
        targets.close()


def _names_move(
    filesystem: Filesystem,
    path: bytes,
    sources: Tree,
    targets: Tree,
    on_folder: Callable[[bytes, os.stat_result], None],
) -> bytes | None:
    """Move names until none is left, or return the name of a folder whose content must be moved first."""
    with fd_closing(sources.open_folder(path)) as at, fd_closing(targets.open_folder(path)) as to_at:
        while names := list(islice(folder_scan(at), _BATCH)):
            for name in names:
                try:
                    filesystem.move(name, at=at, to=name, to_at=to_at)
                except OSError as error:
                    status = os.stat(name, dir_fd=at, follow_symlinks=False)
                    if not stat.S_ISDIR(status.st_mode):
                        raise
                    if error.errno == errno.EXDEV and not is_folder(name, at=to_at):
                        on_folder(path + b"/" + name if path else name, status)
                        filesystem.make_folder(name, at=to_at, mode=stat.S_IRWXU)
                    elif not is_folder(name, at=to_at):
                        raise
                    return name
        return None
