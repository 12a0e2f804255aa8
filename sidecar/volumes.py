"""New volumes: folders in the folder `volumes` of the configuration, each made by one restore.

VOLUMES/{id}        a volume that is whole, with the restore's journal in it until the release
VOLUMES/.{id}.part  one that is being made or removed, which only its owner can enter

The hidden folder gets its name only when all of it is on the disk, in one rename that replaces nothing. So a volume is
whole or not there, whatever ends the daemon, and the next daemon removes what is hidden.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sidecar.errors import Refused, SidecarError, StartError
from sidecar.restore.outcome import outcome_read, outcome_release
from sidecar.restore.workspace.failures import failures_named
from sidecar.restore.workspace.outcomes import ExtractSummary, Outcome
from sidecar.restore.workspace.reserved import is_usual_uuid
from sidecar.scratch.scratch import folder_locked
from trees.filesystem import Filesystem
from trees.folders import fd_closing, folder_open, folder_scan, is_folder, status_at
from trees.removal import folder_clear
from wire.enums import OutcomeKind

VOLUMES: Final = "/volumes/"
"""The beginning of a volume's name on the wire."""

_PART: Final = re.compile(rb"\.([0-9a-f-]{36})\.part")
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_log = logging.getLogger("sidecar")


class Volumes:
    """The volumes of one folder; without a folder every one is refused."""

    def __init__(self, folder: Path | None, *, like: Path, filesystem: Filesystem | None = None) -> None:
        """`like`: the data root, whose owner and mode a volume gets."""
        self._folder = folder
        self._like = like
        self._filesystem = filesystem or Filesystem()

    @property
    def offered(self) -> bool:
        """Whether volumes can be made."""
        return self._folder is not None

    def named(self, path: str) -> Volume:
        """The volume with this name on the wire. Raises Refused for any other path, and when none can be made."""
        name = path.removeprefix(VOLUMES)
        if f"{VOLUMES}{name}" != path or not is_usual_uuid(name):
            raise Refused("The path does not name a volume by a UUID.")
        if self._folder is None:
            raise Refused("This sidecar is not configured to make volumes.")
        return Volume(self._folder, name.encode(), like=self._like, filesystem=self._filesystem)

    def claim(self) -> None:
        """Lock the folder for the life of the process, and remove what an earlier one did not bring to its end.

        Raises StartError when another daemon uses it. A removal that fails is logged.
        """
        if self._folder is None:
            return
        try:
            self._lock = folder_locked(self._folder)
        except OSError as error:
            raise StartError(f"{self._folder} cannot be used for volumes: {error.strerror}") from error
        hidden = [found[1] for name in folder_scan(self._lock) if (found := _PART.fullmatch(name))]
        for name in hidden:
            try:
                Volume(self._folder, name, like=self._like, filesystem=self._filesystem).clear()
            except SidecarError as error:
                _log.warning("an unfinished volume could not be removed: %s", error.detail)
            else:
                _log.warning("an unfinished volume was removed: %s", name.decode())


class Volume:
    """One volume, which is there or not. Its methods raise `SidecarError`s.

    No two of `make`, `release` and `remove` may run at the same time.
    """

    def __init__(self, folder: Path, name: bytes, *, like: Path, filesystem: Filesystem) -> None:
        self.name = name
        self._folder = folder
        self._part = b".%b.part" % name
        self._like = like
        self._filesystem = filesystem

    def make(self, restore: Callable[[Path], ExtractSummary], *, operation: str) -> ExtractSummary:
        """Let the operation restore into an empty folder, which then becomes the volume; return its summary.

        A volume of the same operation is not made again. Raises Refused when there is another volume or anything
        else of this name, and what `restore` raises: then nothing is left.
        """
        with self._opened() as top:
            if status_at(self.name, at=top) is not None:
                return self._made(operation)
            self._clear(top)
            self._filesystem.make_folder(self._part, at=top, mode=stat.S_IRWXU)
            try:
                summary = restore(self._folder / os.fsdecode(self._part))
                self._publish(top)
            except BaseException:
                with contextlib.suppress(OSError):  # the next daemon removes the rest
                    self._clear(top)
                raise
        return summary

    def outcome(self, *, operation: str) -> Outcome:
        """The outcome in the operation's journal: COMPLETED when it made the volume and was not released, else NONE."""
        with self._opened() as top:
            if not is_folder(self.name, at=top):
                return Outcome(OutcomeKind.NONE)
        return outcome_read(root=self._path, operation=operation)

    def release(self, *, operation: str) -> None:
        """Remove the operation's journal from the volume."""
        with self._opened() as top:
            if not is_folder(self.name, at=top):
                return
        outcome_release(root=self._path, operation=operation)

    def remove(self) -> None:
        """Remove the volume with all its files; a missing one is no error. It loses its name first, at once."""
        with self._opened() as top:
            self._clear(top)
            if is_folder(self.name, at=top):
                self._filesystem.move(self.name, at=top, to=self._part, to_at=top)
                self._filesystem.sync(top)
                self._clear(top)

    def clear(self) -> None:
        """Remove the hidden folder with all its files."""
        with self._opened() as top:
            self._clear(top)

    @property
    def _path(self) -> Path:
        return self._folder / os.fsdecode(self.name)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        with failures_named(self._folder), fd_closing(os.open(self._folder, _FOLDER)) as top:
            yield top

    def _made(self, operation: str) -> ExtractSummary:
        summary = outcome_read(root=self._path, operation=operation).summary
        if summary is None:
            raise Refused("There is a volume of this name already.")
        return summary

    def _publish(self, top: int) -> None:
        """Give the folder the owner and mode of the data root, and its name; both are durable afterwards."""
        like = self._like.stat()
        self._filesystem.set_owner(self._part, at=top, uid=like.st_uid, gid=like.st_gid)
        with fd_closing(folder_open(self._part, at=top)) as fd:
            # The release takes the journal out of it.
            self._filesystem.set_mode(fd, stat.S_IMODE(like.st_mode) | stat.S_IRWXU)
            self._filesystem.sync(fd)
        self._filesystem.move(self._part, at=top, to=self.name, to_at=top)
        self._filesystem.sync(top)

    def _clear(self, top: int) -> None:
        if status_at(self._part, at=top) is None:
            return
        with fd_closing(folder_open(self._part, at=top)) as fd:
            self._filesystem.set_mode(fd, stat.S_IRWXU)
            folder_clear(fd, self._filesystem)
        self._filesystem.remove_folder(self._part, at=top)
