"""Stages members: makes them in a separate folder beside the live data."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

from sidecar.errors import ArchiveRefused, NotEnoughSpace, at_entry, cause_of
from sidecar.places.places import Place, Places
from sidecar.restore.comparing.comparison import Comparison
from sidecar.restore.reading.chosen import Chosen
from sidecar.restore.reading.member_paths import shown
from sidecar.restore.reading.members import Member, MemberKind, MemberReader, Members, dense_bytes
from sidecar.restore.staging.folders import StagedFolders
from sidecar.restore.staging.room import Rooms
from sidecar.restore.staging.unchanged import UnchangedFiles
from sidecar.restore.workspace.plan import FOLDER_ATTRIBUTES, FOLDERS
from sidecar.restore.workspace.progress import ProgressMeter
from sidecar.restore.workspace.records import RecordWriter, records_read
from sidecar.restore.workspace.workspace import Workspace
from trees.beneath import open_for_reading
from trees.filesystem import Filesystem
from trees.folders import fd_closing, is_folder, status_at
from trees.metadata import Metadata
from trees.paths import RESERVED_FOLDER
from wire.attributes import attributes_field

_IMPOSSIBLE = frozenset(
    {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EMLINK}
    | {errno.EINVAL, errno.EILSEQ}  # vfat, and volumes that allow UTF-8 only
)
_COPIED_BYTES = 1 << 20


class PlaceUnfit(Exception):
    """A place beside the root has no room for a member, or does not support it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.path)
        self.place = place


class _Decisions:
    """Decides about each file once, in order; a source may ask ahead of its turn."""

    def __init__(self, decide: Callable[[int, Member], bool]) -> None:
        """`decide` gets a file's number among the members that are files."""
        self._decide = decide
        self._numbers = count()
        self._ahead: deque[bool] = deque()

    def decide(self, member: Member) -> bool:
        """The decision on the next file that has none."""
        decision = self._decide(next(self._numbers), member)
        self._ahead.append(decision)
        return decision

    def next(self, member: Member) -> bool:
        """The decision on the file whose turn it is."""
        if not self._ahead:
            self.decide(member)
        return self._ahead.popleft()


class Staging:
    """Makes the staged tree: all members below the workspace's `new/`, without the unchanged live files (`unchanged`),
    and the folders' metadata as a list.

    Symlinks are made last, as links. Servers have links with an absolute target, or one that climbs out of the root (a
    shared folder of plugins), and these must come back. Neither staging nor the exchange ever writes through a link, so
    such a link opens no way out. A symlink may therefore not have members below it.
    The root's own entry is skipped: its owner and mode belong to the provision.
    A member is staged in the place of its path. Members below a part that is left, or with the reserved name of a
    place, are skipped. PlaceUnfit is raised for failures in a place beside the root.
    All methods raise ArchiveDamaged, ArchiveRefused, NotEnoughSpace or Cancelled, and OSError for other failures of
    the volume.
    """

    def __init__(
        self,
        *,
        places: Places,
        workspace: Workspace,
        comparison: Comparison | None,
        chosen: Chosen,
        rooms: Rooms,
        progress: ProgressMeter,
    ) -> None:
        self._filesystem: Filesystem = workspace.filesystem
        self._workspace = workspace
        self._progress = progress
        self._places = places
        self._chosen = chosen
        self._rooms = rooms
        self._folders = StagedFolders(places, workspace)
        self._folder_list = RecordWriter(workspace.list_made(FOLDERS), self._filesystem)
        self._attribute_list = RecordWriter(workspace.list_made(FOLDER_ATTRIBUTES), self._filesystem)
        self._link_list = RecordWriter(workspace.list_made(b"links"), self._filesystem)
        self._shared = comparison.shared if comparison else None
        self.unchanged = UnchangedFiles(places, workspace, comparison, progress)

    def stage(self, members: Members) -> None:
        """Stage all members."""
        made = _Decisions(self._is_made)
        with members.read(made.decide) as reader:
            for member in reader.members():
                is_file = member.kind is MemberKind.FILE
                is_made = is_file and made.next(member)
                self._folders.member()
                with self._fit(member.path):
                    if is_file:
                        self._place_file(member, reader, is_made=is_made)
                    else:
                        self._place(member)
                self._progress.advance(files=member.kind is not MemberKind.DIRECTORY)
        self._link_list.flush()
        self._folder_list.flush()
        self._attribute_list.flush()
        self._make_symlinks()
        self.unchanged.finish()

    def stage_touched(self, members: Members, touched: bytearray) -> None:
        """Stage the files that were touched after their comparison: those with a 1 at their number."""
        made = _Decisions(lambda number, _: bool(touched[number]))
        with members.read(made.decide) as reader:
            for member in reader.members():
                if member.kind is MemberKind.FILE and made.next(member):
                    with self._fit(member.path):
                        self._make_file(member, reader)
                self._progress.advance()

    def close(self) -> None:
        """Close the descriptors."""
        self._folders.close()
        self.unchanged.close()

    def _is_made(self, number: int, member: Member) -> bool:
        """Whether a file is made from its content. It is not if its live file is unchanged or stays; then its content
        may exceed this volume, and it is made only for another name of it that is restored.
        """
        if self._places.is_elsewhere(member.path):
            return bool(self._shared and self._shared.get(member.path))
        return not self._is_reserved(member.path) and not self.unchanged.add(number, member)

    def _place_file(self, member: Member, reader: MemberReader, *, is_made: bool) -> None:
        is_elsewhere = self._places.is_elsewhere(member.path)
        if is_made:
            self._make_file(member, reader, counted=not is_elsewhere)
        elif is_elsewhere or not self._is_reserved(member.path):
            self._folders.parent(member.path)
            self._progress.advance(size=0 if is_elsewhere else member.size)

    def _place(self, member: Member) -> None:
        match member.kind:
            case _ if self._places.is_elsewhere(member.path):
                self._folders.parent(member.path)
            case _ if self._is_reserved(member.path):
                pass
            case MemberKind.DIRECTORY if member.path:
                self._make_folder(member)
            case MemberKind.HARDLINK:
                self._make_link(member)
            case MemberKind.SYMLINK:
                self._folders.way_clear(member.path)
                self._link_list.add(*member.metadata, member.path, member.link)

    def _make_symlinks(self) -> None:
        """Make the symlinks, after everything else."""
        with self._workspace.list_read(b"links") as links:
            for *fields, path, target in records_read(links):
                metadata = Metadata(*map(int, fields))
                with self._fit(path):
                    at, name = self._folders.parent(path)
                    status = status_at(name, at=at)
                    if status is not None and stat.S_ISLNK(status.st_mode):
                        self._filesystem.remove_file(name, at=at)
                    # A later member of this name is a file.
                    if status is None or not stat.S_ISREG(status.st_mode):
                        self._filesystem.make_symlink(target, name, at=at, metadata=metadata)
                self._progress.advance()

    def _make_folder(self, member: Member) -> None:
        """Make a folder with mode 0700. Its metadata is set at the end: a folder without write permission could be
        neither filled nor moved.
        """
        at, name = self._folders.parent(member.path)
        try:
            self._filesystem.make_folder(name, at=at, mode=0o700)
        except FileExistsError:
            if not is_folder(name, at=at):
                raise
        if member.xattrs:
            with fd_closing(open_for_reading(name, at, os.O_DIRECTORY)) as fd:
                self._filesystem.set_attributes(fd, member.xattrs)
        if not self._keeps_metadata(member.path):
            self._folder_list.add(*member.metadata, member.path)
            if member.xattrs is not None:
                self._attribute_list.add(attributes_field(member.xattrs))

    def _keeps_metadata(self, path: bytes) -> bool:
        """Whether a live folder has this path and is only above the chosen ones."""
        if self._chosen.covers(path):
            return False
        with contextlib.suppress(OSError), contextlib.closing(self._places.tree()) as live:
            status = live.folder_status(path)
            return status is not None and stat.S_ISDIR(status.st_mode)
        return False

    def _make_file(self, member: Member, reader: MemberReader, *, counted: bool = False) -> None:
        at, name = self._folders.way_clear(member.path)
        with fd_closing(self._filesystem.make_file(name, at=at)) as fd:
            dense = 0
            for piece in reader.content():
                dense = dense_bytes(piece)
                if dense:
                    self._rooms.holding(member.path).claim(dense)
                    self._filesystem.write(fd, piece)
                else:
                    os.lseek(fd, len(piece), os.SEEK_CUR)
                self._progress.advance(size=len(piece) if counted else 0)
            if member.size and not dense:
                self._filesystem.set_size(fd, member.size)
            if member.xattrs:  # before a mode that may forbid it
                self._filesystem.set_attributes(fd, member.xattrs)
            self._filesystem.set_metadata(fd, member.metadata)

    def _make_link(self, member: Member) -> None:
        """Make a hard link to an earlier staged file; symlinks are not made yet, so nothing can link to one."""
        if not self._folders.has_file(member.link):
            raise ArchiveRefused(f"a hard link has no file before it to link to: {shown(member.path)}")
        if member.link == member.path:
            return
        if self._places.of(member.link) != self._places.of(member.path):
            self._copy(member.link, member.path)
            return
        source_at, source_name = self._folders.find(member.link)
        with fd_closing(os.dup(source_at)) as held:
            at, name = self._folders.way_clear(member.path)
            self._filesystem.make_link(source_name, source_at=held, name=name, at=at)

    def _copy(self, source: bytes, path: bytes) -> None:
        """Copy a file for its name in another place: an inode cannot have names in two places."""
        at, name = self._folders.find(source)
        with fd_closing(open_for_reading(name, at)) as source_fd:
            at, name = self._folders.way_clear(path)
            with fd_closing(self._filesystem.make_file(name, at=at)) as fd:
                while piece := os.read(source_fd, _COPIED_BYTES):
                    self._rooms.holding(path).claim(len(piece))
                    self._filesystem.write(fd, piece)
                    self._progress.advance()
                self._filesystem.set_metadata(fd, Metadata.of(os.fstat(source_fd)))

    def _is_reserved(self, path: bytes) -> bool:
        place = self._places.of(path)
        return (path + b"/").startswith((place.path + b"/" if place.path else b"") + RESERVED_FOLDER + b"/")

    @contextlib.contextmanager
    def _fit(self, path: bytes) -> Iterator[None]:
        """Raise PlaceUnfit for an error at a member in a place beside the root. In the root, raise ArchiveRefused for
        an error of the member itself (two of one name, one below a file or link, a name that the volume does not
        allow), and EntryFailed for any other error.
        """
        try:
            with at_entry(path):
                yield
        except (OSError, NotEnoughSpace) as error:
            place = self._places.of(path)
            if place is not self._places.root:
                raise PlaceUnfit(place) from error
            if isinstance(error, NotEnoughSpace) or error.errno not in _IMPOSSIBLE:
                raise
            refused = ArchiveRefused(f"a member clashes with another or cannot be made: {shown(path)}")
            refused.params = cause_of(error, shown(path))
            raise refused from error
