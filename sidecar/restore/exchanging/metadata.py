"""The metadata that an exchange sets behind the names: of unchanged files and of folders, forward and back."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from sidecar.errors import at_entry
from sidecar.places.places import PlacedTree, Places
from sidecar.restore.comparing.staying import StayingPaths
from sidecar.restore.exchanging.aside import PIECEWISE
from sidecar.restore.workspace.plan import BARRED, FOLDERS, MERGED, folders_read, unchanged_read
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.workspace import UNCHANGED, Workspace
from trees.beneath import open_for_reading
from trees.folders import fd_closing
from trees.metadata import SPECIAL_BITS, Metadata

_FINAL = frozenset({errno.EPERM, errno.EACCES, errno.EROFS, errno.EOPNOTSUPP})


class MetadataExchange:
    """The metadata of a live tree. Whatever is right already is not touched: it may be refused."""

    def __init__(self, places: Places, workspace: Workspace, live: PlacedTree, progress: ProgressMeter) -> None:
        self._places = places
        self._workspace = workspace
        self._filesystem = workspace.filesystem
        self._progress = progress
        self._live = live
        self._staying = StayingPaths(workspace)

    def open_barred(self) -> None:
        """Give live folders that lack their owner's permissions these, where a name in them changes."""
        self._set_barred(BARRED, opened=True)

    def forward(self) -> None:
        """Set what the members say, once all names are exchanged. Unchanged files are all tried; then the first error
        is raised.
        """
        errors: list[OSError] = []
        self._set_unchanged(errors, forward=True)
        if errors:
            raise errors[0]
        self._set_barred(BARRED, opened=False)
        for path, metadata in self._listed(FOLDERS):
            with at_entry(path):
                self._set_folder(path, metadata, keep_special=True)

    def open_all(self) -> None:
        """As `open_barred`, also for the folders that got theirs from members. Nothing is raised: if something is in
        the way, the steps that need it will say so.
        """
        for listed in (BARRED, FOLDERS):
            self._set_barred(listed, opened=True, errors=[])

    def backward(self) -> OSError | None:
        """Give back what live paths had. The first refusal that is final is returned, any other error raised."""
        errors: list[OSError] = []
        self._set_unchanged(errors, forward=False)
        listed = [PIECEWISE] if self._workspace.has_list(PIECEWISE) else []
        for name in [*listed, MERGED, BARRED]:
            for path, metadata in self._listed(name):
                with error_collected(errors), at_entry(path):
                    self._set_folder(path, metadata, keep_special=False)
        for error in errors:
            if error.errno not in _FINAL:
                raise error
        return errors[0] if errors else None

    def _set_unchanged(self, errors: list[OSError], *, forward: bool) -> None:
        """Give unchanged files the members' metadata, or what they had. One that has another inode by now, or on the
        way forward another time, was written after the commit record: it is the game's.
        """
        with contextlib.suppress(FileNotFoundError), self._workspace.list_read(UNCHANGED) as listed:
            for file in unchanged_read(listed):
                if file.wanted == file.had or not self._places.takes_part(file.path):
                    continue
                wanted, expected = (file.wanted, (file.wanted, file.had)) if forward else (file.had, ())
                with error_collected(errors), at_entry(file.path):
                    self._set_file(file.path, file.inode, wanted, expected)
                self._progress.advance()

    def _set_file(self, path: bytes, inode: int, metadata: Metadata, expected: tuple[Metadata, ...]) -> None:
        live = self._live.status(path)
        if live is None or live.st_ino != inode or Metadata.of(live) == metadata:
            return
        at, name = self._live.parent(path)
        with fd_closing(open_for_reading(name, at)) as fd:
            status = os.fstat(fd)
            is_times = not expected or status.st_mtime_ns in [known.mtime_ns for known in expected]
            if status.st_ino == inode and is_times:
                self._filesystem.set_metadata(fd, metadata)

    def _listed(self, listed: bytes) -> Iterator[tuple[bytes, Metadata]]:
        for path, metadata in folders_read(self._workspace, listed):
            self._progress.advance()
            # A folder that stays is given no member's metadata, in either direction.
            if self._places.takes_part(path) and (listed != FOLDERS or not self._staying.cover(path)):
                yield path, metadata

    def _set_folder(self, path: bytes, metadata: Metadata, *, keep_special: bool) -> None:
        """Set a live folder's metadata. With `keep_special` its own setuid, setgid and sticky bits stay: no member
        brings any, and a shared group must not be lost to a restore. One that is right already is not opened.
        """
        live = self._live.folder_status(path) if path else None
        if live is not None and Metadata.of(live) == _wanted(metadata, live, keep_special=keep_special):
            return
        with fd_closing(self._live.open_folder(path)) as fd:
            self._filesystem.set_metadata(fd, _wanted(metadata, os.fstat(fd), keep_special=keep_special))

    def _set_barred(self, listed: bytes, *, opened: bool, errors: list[OSError] | None = None) -> None:
        """Give those live folders of a list that lack their owner's permissions these, or take them away again. One
        that is no folder any more has been exchanged already. With `errors` they are added there instead of raised.
        """
        for path, metadata in self._listed(listed):
            if metadata.mode & stat.S_IRWXU == stat.S_IRWXU:
                continue
            with error_collected(errors), at_entry(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._set_mode(path, metadata.mode, opened=opened)

    def _set_mode(self, path: bytes, mode: int, *, opened: bool) -> None:
        with fd_closing(self._live.open_folder(path)) as fd:
            had = stat.S_IMODE(os.fstat(fd).st_mode)
            self._filesystem.set_mode(fd, had | stat.S_IRWXU if opened else mode)


def _wanted(metadata: Metadata, live: os.stat_result, *, keep_special: bool) -> Metadata:
    special = live.st_mode & SPECIAL_BITS if keep_special else 0
    return metadata._replace(mode=metadata.mode | special).settable(live)


@contextlib.contextmanager
def error_collected(errors: list[OSError] | None) -> Iterator[None]:
    """Add an error to a list instead of letting it end the work, where there is a list; only the first that may pass
    and the first that is final, for there may be as many as steps.
    """
    try:
        yield
    except OSError as error:
        if errors is None:
            raise
        if not any((known.errno in _FINAL) == (error.errno in _FINAL) for known in errors):
            errors.append(error)
