"""The workspaces of one extraction in the places beside the root, and the list of these that its journal goes with.

A line of the list `places` is a place: its kind, the device and inode of its folder, whether it is in memory only, its
path, and for a link its text and the absolute path of its target; or `left` and the path of one that turned out to be
unfit. It lasts until nothing of the extraction is left in any of them. A place's own workspace is
`.savepoint/{operation}.place` in it: not the name of an operation, so that a sidecar whose data root that folder is
lets it be.

When an extraction is to be brought to its end, a place may be *away*: nothing is mounted there, or not the volume with
the workspace. Nothing is done in it then, and the extraction does not end before it is back. One that was in memory
only and is mounted anew has lost what it held, and is passed over.
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
    """Make a workspace in every place that is used; one that cannot have one is left. The list is on the disk first."""
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
    """Open the places of an extraction with their workspaces, as far as they are there; the caller closes them.

    `running`: the extraction has begun its exchange and not ended it, so that a workspace that is not there is away.
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
    """The places of the list but those that were left. A crash before the commit record may have cut it or zeroed it:
    unless it must be `whole`, it counts as far as it can be read. Raise SourceFailed.
    """
    places: dict[bytes, Place] = {}
    with workspace.list_read(PLACES) as listed:
        lines = listed.read().split(b"\n")[:-1]  # what has no end was cut
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
        """Open one place that was listed."""
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
        except (OSError, SidecarError):  # the volume fails, or is another one: the name is somebody else's there
            lost = False
        if self._running:
            self._places.miss(place, lost=lost)
            if lost:
                self._tell_lost(place)
            return
        self._places.leave(place)
        with contextlib.suppress(OSError, SidecarError):  # made, or emptied, right before a kill
            reserved_leave(place, self._workspace.filesystem)

    def close(self) -> None:
        self._tree.close()

    def _open(self, place: Place) -> int | None:
        """A descriptor of the folder, None when it is not there, or nothing is mounted there."""
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
        """Whether the workspace is there. Raise OSError or Refused when it cannot be looked at."""
        workspace = self._workspace
        reserved_fd = workspace.opened.enter_context(reserved_opened(place.fd))
        if reserved_fd is None or not is_folder(workspace.name + _SUFFIX, at=reserved_fd):
            return False
        part = _Part(place, reserved_fd, workspace)
        workspace.opened.callback(part.close)
        workspace.parts[place] = part
        return True

    def _tell_lost(self, place: Place) -> None:
        """Have the outcome say that a place was passed over."""
        lost = (place.kind, place.path)
        if lost not in staying_listed(self._workspace):
            told = RecordWriter(self._workspace.list_continued(STAYING), self._workspace.filesystem)
            told.add(place.kind.value.encode(), place.path)
            told.flush()


class _Part(Workspace):
    """The workspace in a place beside the root; with it goes the reserved folder."""

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
        raise Refused("another extraction is at work in this place")
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
    """Raise OSError unless the place can have what a restore brings: owners, permission bits, times and links."""
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
    """Give an open folder its time back when the reserved folder in it was made or removed."""
    had = os.fstat(fd)
    yield
    if stat.S_ISDIR(had.st_mode) and os.fstat(fd).st_mtime_ns != had.st_mtime_ns:
        filesystem.set_metadata(fd, Metadata.of(had))
