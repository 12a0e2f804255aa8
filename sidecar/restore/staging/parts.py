"""The workspaces of one extraction in the places beside the root, and the list of these places beside its journal.

A line of the list `places` is a place: its kind, the device and inode of its folder, whether it is in memory only, its
path, and for a link its text and the absolute path of its target. The line of an unfit place is `left` and its path.
The list lasts until the extraction has left all places. A place's own workspace is `.savepoint/{operation}.place` in
it. This is not the name of an operation, so a sidecar with that folder as its data root ignores it.

When an extraction is finished later, a place may be *away*: nothing is mounted there, or a volume without the
workspace. Such a place is skipped, and the extraction does not end before it is back. A place in memory that is mounted
anew has lost its content, and is skipped for good.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import replace

from sidecar.errors import Refused, SidecarError, SourceFailed
from sidecar.places.links import LinkRoots
from sidecar.places.mounts import Mounts
from sidecar.places.places import Place, Places
from sidecar.restore.comparing.staying import staying_listed
from sidecar.restore.workspace.records import RecordWriter, record_fields
from sidecar.restore.workspace.reserved import reserved_made, reserved_opened, reserved_remove
from sidecar.restore.workspace.workspace import PLACES, STAYING, Workspace
from trees.filesystem import Filesystem
from trees.folders import is_folder, status_at
from trees.metadata import Metadata
from trees.reserved import root_lock

_LEFT = b"left"
_SUFFIX = b".place"
_PROBED = Metadata(mode=0o640, uid=1, gid=1, mtime_ns=1_000_000_000)


def parts_make(workspace: Workspace, places: Places) -> None:
    """Write the list, then make a workspace in every used place; a place that cannot have one is left."""
    workspace.places = places
    wanted = list(places.used)
    if not wanted:
        return
    listed = RecordWriter(workspace.list_made(PLACES), workspace.filesystem)
    for place in wanted:
        kind = b"link" if place.link else b"mount"
        inode = os.fstat(place.fd).st_ino
        listed.add(kind, place.device, inode, int(place.in_memory), place.path, place.link, place.target)
    listed.flush()
    workspace.sync()
    for place in wanted:
        if place in places.used:
            try:
                _part_make(workspace, place)
            except (OSError, SidecarError):
                places.leave(place)
    for place in wanted:
        if place not in places.used:
            listed.add(_LEFT, place.path)
    listed.flush()


def parts_open(workspace: Workspace, root_fd: int, links: LinkRoots, *, running: bool) -> Places:
    """Open the places of an extraction and their existing workspaces; the caller closes them.

    `running`: the extraction is in its exchange, so a missing workspace means that its place is away.
    """
    workspace.places = places = Places(root_fd)
    if not workspace.has_list(PLACES):
        return places
    try:
        opening = _Opening(workspace, places, links, running=running)
        with contextlib.closing(opening):
            for listed in _places_listed(workspace, whole=running):
                opening.take(listed)
    except BaseException:
        places.close()
        raise
    return places


def _places_listed(workspace: Workspace, *, whole: bool) -> list[Place]:
    """The places of the list without those that were left. A crash before the commit record may have truncated or
    zeroed the list: it is read up to there, unless it must be `whole`. Raise SourceFailed.
    """
    places: dict[bytes, Place] = {}
    with workspace.list_read(PLACES) as listed:
        lines = listed.read().split(b"\n")[:-1]  # a line without an end was truncated
        try:
            for line in lines:
                match record_fields(line):
                    case [word, path] if word == _LEFT:
                        places.pop(path, None)
                    case [b"mount" | b"link", device, _, in_memory, path, link, target]:
                        places[path] = Place(path, -1, int(device), in_memory == b"1", link, target)
                    case _:
                        raise ValueError(line)
        except ValueError as error:
            if whole:
                raise SourceFailed("the list of an extraction's places is damaged") from error
    return list(places.values())


class _Opening:
    def __init__(self, workspace: Workspace, places: Places, links: LinkRoots, *, running: bool) -> None:
        self._workspace = workspace
        self._places = places
        self._links = links
        self._running = running
        self._tree = places.tree()
        self._mounts = Mounts(places.root.fd)

    def take(self, listed: Place) -> None:
        """Open one listed place."""
        if self._places.is_away(listed.path):
            return
        fd = self._open(listed)
        if fd is None:
            self._places.away.append(listed.path)
            return
        place = replace(listed, fd=fd)
        self._places.add(place)
        if place.link:
            self._mounts.look_below(fd, place.path)
        try:
            if self._open_part(place):
                return
            lost = place.in_memory
        except (OSError, SidecarError):  # the volume fails, or is another one with this name in use
            lost = False
        if self._running:
            self._places.miss(place, lost=lost)
            if lost:
                self._tell_lost(place)
            return
        self._places.leave(place)
        with contextlib.suppress(OSError, SidecarError):  # made, or emptied, just before a kill
            reserved_leave(place, self._workspace.filesystem)

    def close(self) -> None:
        self._tree.close()

    def _open(self, place: Place) -> int | None:
        """Open the folder; None when it is missing, or when nothing is mounted there."""
        if place.link:
            target = self._links.open(place.target)
            return target.fd if target else None
        try:
            at, name = self._tree.parent(place.path)
            status = status_at(name, at=at)
            if status is None or not self._mounts.is_point(place.path, status, folder=at):
                return None
            return self._tree.open_folder(place.path)
        except OSError:
            return None

    def _open_part(self, place: Place) -> bool:
        """Open the workspace; return whether it exists. Raise OSError or Refused when it cannot be examined."""
        workspace = self._workspace
        reserved_fd = workspace.opened.enter_context(reserved_opened(place.fd))
        if reserved_fd is None or not is_folder(workspace.name + _SUFFIX, at=reserved_fd):
            return False
        part = _Part(place, reserved_fd, workspace)
        workspace.opened.callback(part.close)
        workspace.parts[place] = part
        return True

    def _tell_lost(self, place: Place) -> None:
        """Record for the outcome that a place was skipped."""
        lost = (place.kind, place.path)
        if lost not in staying_listed(self._workspace):
            told = RecordWriter(self._workspace.list_continued(STAYING), self._workspace.filesystem)
            told.add(place.kind.value.encode(), place.path)
            told.flush()


class _Part(Workspace):
    """The workspace in a place beside the root; `discard` also removes the place's reserved folder."""

    def __init__(self, place: Place, reserved_fd: int, of: Workspace) -> None:
        super().__init__(reserved_fd, of.name + _SUFFIX, of.filesystem)
        self._place = place

    def discard(self) -> None:
        if self.is_there:
            super().discard()
        reserved_leave(self._place, self.filesystem)


def reserved_leave(place: Place, filesystem: Filesystem) -> None:
    """Remove the reserved folder of a place when it is empty."""
    with _time_kept(place.fd, filesystem):
        reserved_remove(place.fd, filesystem)


def _part_make(workspace: Workspace, place: Place) -> None:
    filesystem, name = workspace.filesystem, workspace.name + _SUFFIX
    if not root_lock(place.fd):
        raise Refused("another extraction is running in this place")
    with contextlib.ExitStack() as failing:
        failing.callback(reserved_leave, place, filesystem)
        with _time_kept(place.fd, filesystem):
            reserved_fd = workspace.opened.enter_context(reserved_made(place.fd, filesystem))
        if is_folder(name, at=reserved_fd):
            with contextlib.closing(Workspace(reserved_fd, name, filesystem)) as leftover:
                leftover.discard()
        workspace.opened.callback(Workspace.make(reserved_fd, name, filesystem).close)
        part = _Part(place, reserved_fd, workspace)
        workspace.opened.callback(part.close)
        failing.callback(part.discard)
        _probe(part)
        workspace.parts[place] = part
        failing.pop_all()


def _probe(part: Workspace) -> None:
    """Raise OSError unless the place supports owners, permission bits, times and links."""
    filesystem, name = part.filesystem, b"probe"
    fd = filesystem.make_file(name, at=part.fd)
    try:
        filesystem.set_metadata(fd, _PROBED)
    finally:
        os.close(fd)
        filesystem.remove_file(name, at=part.fd)
    filesystem.make_symlink(b"probed", name, at=part.fd, metadata=_PROBED)
    filesystem.remove_file(name, at=part.fd)


@contextlib.contextmanager
def _time_kept(fd: int, filesystem: Filesystem) -> Iterator[None]:
    """Restore an open folder's time after its reserved folder was made or removed."""
    had = os.fstat(fd)
    yield
    if stat.S_ISDIR(had.st_mode) and os.fstat(fd).st_mtime_ns != had.st_mtime_ns:
        filesystem.set_metadata(fd, Metadata.of(had))
