"""Stages an archive: its members are made in a folder of their own, beside the live data and never in it."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from sidecar.errors import ArchiveRefused, NotEnoughSpace
from sidecar.restore.filesystem import Filesystem
from sidecar.restore.gzip_stream import GzipStream
from sidecar.restore.limits import Limits
from sidecar.restore.member_paths import shown
from sidecar.restore.progress import Progress
from sidecar.restore.records import RecordWriter, records_read
from sidecar.restore.tar_reader import Kind, Member, Metadata, TarReader
from sidecar.restore.tree import Tree, is_folder, status_at
from sidecar.restore.workspace import Workspace

_IMPLIED_MODE = 0o755
_IMPOSSIBLE = frozenset(
    {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EMLINK}
    | {errno.EINVAL, errno.EILSEQ}  # vfat, and volumes that hold UTF-8 only
)
_ROOM_ASKED_EVERY = 8 << 20


def archive_stage(*, archive: BinaryIO, root_fd: int, workspace: Workspace, limits: Limits, progress: Progress) -> None:
    """Given an open archive, make all that it holds below the workspace's `new/`, and its folders' metadata a list.

    Symlinks come last, as themselves: an absolute target, or one that climbs out of the root, is data that servers do
    have (a shared folder of plugins) and that must come back; nothing here or in the exchange ever writes through a
    link, so that keeping it gives an archive no way out. A symlink may therefore not have members below it.
    A folder that is only implied by a path gets the data root's owner; the root's own entry is passed over, for its
    owner and mode are its provision's.
    Raise ArchiveDamaged, ArchiveRefused, NotEnoughSpace or Cancelled; other failures of the volume are OSError.
    """
    stream = GzipStream(archive, total_bytes=limits.total_bytes)
    room = _Room(root_fd, limits, stream)
    room.claim(os.fstat(archive.fileno()).st_size)  # what is packed needs at least that; nothing was written yet
    staging = _Staging(root_fd, workspace, progress, room)
    try:
        reader = TarReader(stream, limits)
        for member in reader.members():
            staging.place(member, reader)
        staging.finish()
    finally:
        staging.close()


class _Room:
    """Keeps part of the volume free, and the written bytes in a sane relation to the archive's."""

    def __init__(self, root_fd: int, limits: Limits, stream: GzipStream) -> None:
        self._root_fd = root_fd
        self._limits = limits
        self._stream = stream
        self._written = 0
        self._granted = 0

    def claim(self, size: int) -> None:
        """Raise NotEnoughSpace when less than the reserve would stay free after `size` more bytes."""
        self._granted -= size
        if self._granted < 0:
            volume = os.fstatvfs(self._root_fd)
            free = volume.f_bavail * volume.f_frsize - self._limits.reserve_bytes - size
            if free < 0:
                raise NotEnoughSpace("the data volume has no room for staging")
            self._granted = min(free, _ROOM_ASKED_EVERY)

    def write(self, size: int) -> None:
        """Claim room for content; raise ArchiveRefused when it is too much for what was read of the archive."""
        self.claim(size)
        self._written += size
        excess = self._written > self._stream.bytes_read * self._limits.ratio
        if excess and self._written > self._limits.ratio_from_bytes:
            raise ArchiveRefused(f"the archive unpacks to more than {self._limits.ratio} times its size")


class _Staging:
    def __init__(self, root_fd: int, workspace: Workspace, progress: Progress, room: _Room) -> None:
        self._filesystem: Filesystem = workspace.filesystem
        self._workspace = workspace
        self._progress = progress
        self._room = room
        self._owner = os.fstat(root_fd)
        self._tree = Tree(workspace.staged())
        self._folders = RecordWriter(workspace.list_made(b"folders"), self._filesystem)
        self._links = RecordWriter(workspace.list_made(b"links"), self._filesystem)

    def place(self, member: Member, reader: TarReader) -> None:
        """Make one member."""
        try:
            match member.kind:
                case Kind.DIRECTORY if member.path:
                    self._make_folder(member)
                case Kind.FILE:
                    self._make_file(member, reader)
                case Kind.HARDLINK:
                    self._make_link(member)
                case Kind.SYMLINK:
                    meta = member.metadata
                    self._links.add(meta.uid, meta.gid, meta.mtime_ns, member.path, member.link)
        except OSError as error:
            _refuse_impossible(error, member.path)
            raise
        self._progress.advance(files=member.kind is not Kind.DIRECTORY)

    def finish(self) -> None:
        """Make the symlinks, now that nothing else is made any more."""
        self._links.flush()
        self._folders.flush()
        with self._workspace.list_read(b"links") as links:
            for uid, gid, mtime_ns, path, target in records_read(links):
                metadata = Metadata(0o777, int(uid), int(gid), int(mtime_ns))
                try:
                    at, name = self._parent(path)
                    self._filesystem.make_symlink(target, name, at=at, metadata=metadata)
                except OSError as error:
                    _refuse_impossible(error, path)
                    raise
                self._progress.advance()

    def close(self) -> None:
        self._tree.close()

    def _make_folder(self, member: Member) -> None:
        """Private for now; what the archive says of it is applied when all is in place, for a folder without write
        permission could not be filled, nor moved.
        """
        at, name = self._parent(member.path)
        try:
            self._filesystem.make_folder(name, at=at, mode=0o700)
        except FileExistsError:
            if not is_folder(name, at=at):
                raise
        meta = member.metadata
        self._folders.add(meta.mode, meta.uid, meta.gid, meta.mtime_ns, member.path)

    def _make_file(self, member: Member, reader: TarReader) -> None:
        at, name = self._parent(member.path)
        fd = self._filesystem.make_file(name, at=at)
        try:
            hole = False
            for piece in reader.content():
                # A run of zeros stays a hole. Comparing is cheap where it fails, and it mostly fails at an end.
                hole = not piece[0] and not piece[-1] and bytes(piece) == bytes(len(piece))
                if hole:
                    os.lseek(fd, len(piece), os.SEEK_CUR)
                else:
                    self._room.write(len(piece))
                    self._filesystem.write(fd, piece)
                self._progress.advance(size=len(piece))
            if hole:
                self._filesystem.set_size(fd, member.size)
            self._filesystem.set_metadata(fd, member.metadata)
        finally:
            os.close(fd)

    def _make_link(self, member: Member) -> None:
        """One more name for a file that was staged before; symlinks are not there yet, and so cannot be linked to."""
        if not self._is_staged_file(member.link):
            raise ArchiveRefused(f"a hard link has no file before it to link to: {shown(member.path)}")
        source_at, source_name = self._tree.parent(member.link)
        held = os.dup(source_at)
        try:
            at, name = self._parent(member.path)
            self._filesystem.make_link(source_name, source_at=held, name=name, at=at)
        finally:
            os.close(held)

    def _is_staged_file(self, path: bytes) -> bool:
        try:
            status = self._tree.status(path)
        except FileNotFoundError:
            return False
        return status is not None and stat.S_ISREG(status.st_mode)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        """The folder that holds `path`, made with everything above it when the archive has not named it."""
        try:
            return self._tree.parent(path)
        except FileNotFoundError:
            self._make_implied(path.split(b"/")[:-1])
            return self._tree.parent(path)

    def _make_implied(self, parts: list[bytes]) -> None:
        for depth in range(1, len(parts) + 1):
            at, name = self._tree.parent(b"/".join(parts[:depth]))
            if status_at(name, at=at) is None:
                self._filesystem.make_folder(name, at=at, mode=_IMPLIED_MODE)
                self._filesystem.set_owner(name, at=at, uid=self._owner.st_uid, gid=self._owner.st_gid)


def _refuse_impossible(error: OSError, path: bytes) -> None:
    """Raise ArchiveRefused for an error that comes of the member itself: two of one name, one below a file or link, or
    a name that the volume cannot hold.
    """
    if error.errno in _IMPOSSIBLE:
        raise ArchiveRefused(f"a member clashes with another or cannot be made: {shown(path)}") from error
