"""Sets metadata after the exchange of names: of unchanged files and of folders, forward and back."""

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
from sidecar.restore.workspace.plan import BARRED, FOLDERS, MERGED, attributes_planned, folders_read, unchanged_read
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.workspace import UNCHANGED, Workspace
from trees.beneath import open_for_reading
from trees.folders import fd_closing
from trees.metadata import SPECIAL_BITS, Metadata

_FINAL = frozenset({errno.EPERM, errno.EACCES, errno.EROFS, errno.EOPNOTSUPP})


class MetadataExchange:
    """Sets the metadata of a live tree. Metadata that is already right is not set again, which may be refused."""

    def __init__(self, places: Places, workspace: Workspace, live: PlacedTree, progress: ProgressMeter) -> None:
        self._places = places
        self._workspace = workspace
        self._filesystem = workspace.filesystem
        self._progress = progress
        self._live = live
        self._staying = StayingPaths(workspace)

    def open_barred(self) -> None:
        """Give the owner all permissions on live folders that lack them and in which a name changes."""
        self._set_barred(BARRED, opened=True)

    def forward(self) -> None:
        """Set the members' metadata, once all names are exchanged. Every unchanged file is tried; then the first error
        is raised.
        """
        errors: list[OSError] = []
        self._set_unchanged(errors, forward=True)
        if errors:
            raise errors[0]
        self._set_barred(BARRED, opened=False)
        self._set_attributes(forward=True)
        for path, metadata in self._listed(FOLDERS):
            with at_entry(path):
                self._set_folder(path, metadata, keep_special=True)

    def open_all(self) -> None:
        """As `open_barred`, also for folders that got their permissions from members. Raises nothing: the steps that
        need these permissions raise.
        """
        for listed in (BARRED, FOLDERS):
            self._set_barred(listed, opened=True, errors=[])

    def backward(self) -> OSError | None:
        """Restore the old metadata of live paths. Return the first final refusal; raise any other error."""
        errors: list[OSError] = []
        self._set_unchanged(errors, forward=False)
        self._set_attributes(forward=False, errors=errors)
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
        """Give unchanged files the members' metadata, or their old one. A file with another inode, or on the way
        forward another time, was written by the game after the commit record, and is skipped.
        """
        with contextlib.suppress(FileNotFoundError), self._workspace.list_read(UNCHANGED) as listed:
            for file in unchanged_read(listed):
                if file.wanted == file.had or not self._places.takes_part(file.path):
                    continue
                wanted, expected = (file.wanted, (file.wanted, file.had)) if forward else (file.had, ())
                with error_collected(errors), at_entry(file.path):
                    self._set_file(file.path, file.inode, wanted, expected)
                self._progress.advance()

    def _set_attributes(self, *, forward: bool, errors: list[OSError] | None = None) -> None:
        """Give folders the members' attributes, or their old ones. The permissions that this takes are set afterwards,
        with the other metadata of the same folders. With `errors`, errors are added there instead of raised.
        """
        for path, wanted, had in attributes_planned(self._workspace):
            if self._places.takes_part(path) and not self._staying.cover(path):
                with error_collected(errors), at_entry(path), fd_closing(self._live.open_folder(path)) as fd:
                    self._filesystem.set_mode(fd, stat.S_IMODE(os.fstat(fd).st_mode) | stat.S_IWUSR)
                    self._filesystem.set_attributes(fd, wanted if forward else had)
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
            # A folder that stays gets no member's metadata, in either direction.
            if self._places.takes_part(path) and (listed != FOLDERS or not self._staying.cover(path)):
                yield path, metadata

    def _set_folder(self, path: bytes, metadata: Metadata, *, keep_special: bool) -> None:
        """Set a live folder's metadata, if it differs. With `keep_special` its own setuid, setgid and sticky bits stay:
        members have none, and a restore must not remove a shared group.
        """
        live = self._live.folder_status(path) if path else None
        if live is not None and Metadata.of(live) == _wanted(metadata, live, keep_special=keep_special):
            return
        with fd_closing(self._live.open_folder(path)) as fd:
            self._filesystem.set_metadata(fd, _wanted(metadata, os.fstat(fd), keep_special=keep_special))

    def _set_barred(self, listed: bytes, *, opened: bool, errors: list[OSError] | None = None) -> None:
        """Give the owner all permissions on the live folders of a list, or restore the old ones. A path that is no
        folder any more was exchanged already. With `errors`, errors are added there instead of raised.
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
    """Add an error to the list, if there is one, instead of raising it. The list keeps only the first temporary and
    the first final error, since there may be as many errors as steps.
    """
    try:
        yield
    except OSError as error:
        if errors is None:
            raise
        if not any((known.errno in _FINAL) == (error.errno in _FINAL) for known in errors):
            errors.append(error)
