"""Finds members that contradict each other, before any of them is made."""

from __future__ import annotations

import enum

from sidecar.errors import ArchiveRefused
from sidecar.restore.comparing.path_table import PathTable
from sidecar.restore.reading.limits import ImpliedFolders
from sidecar.restore.reading.member_paths import shown
from sidecar.restore.reading.members import Member, MemberKind


class PathKind(enum.IntEnum):
    """The kind that the members give a path. A `LINKED` file has several names among them."""

    NOTHING = 0
    FOLDER = 1
    DIFFERS = 2
    SAME = 3
    LINKED = 4
    SYMLINK = 5


_FILES = (PathKind.DIFFERS, PathKind.SAME, PathKind.LINKED)
_KINDS = {
    MemberKind.DIRECTORY: PathKind.FOLDER,
    MemberKind.SYMLINK: PathKind.SYMLINK,
    MemberKind.HARDLINK: PathKind.LINKED,
}


class WantedPaths:
    """The paths of all members so far, and the folders that these imply."""

    def __init__(self, *, name_bytes: int) -> None:
        self._name_bytes = name_bytes
        self._table = PathTable()
        self._implied = ImpliedFolders()
        self._parent = b""

    def kind(self, path: bytes) -> PathKind:
        """The kind that the members give a path."""
        return PathKind(self._table.get(path))

    def add(self, member: Member, file_kind: PathKind) -> None:
        """Add one member; a file counts as `file_kind`.

        Of several members of one name the last one counts. Raise ArchiveRefused when a folder and another kind of
        member have the same name, when a member lies below a non-folder, or when a hard link refers to no file.
        """
        if not member.path:
            return
        self._implied.member()
        parent, _, name = member.path.rpartition(b"/")
        if len(name) > self._name_bytes:
            raise ArchiveRefused(f"a member has a name that the volume cannot hold: {shown(member.path)}")
        if parent != self._parent:
            self._imply(parent, member.path)
        if member.kind is MemberKind.HARDLINK:
            if self.kind(member.link) not in _FILES:
                raise ArchiveRefused(f"a hard link has no file before it to link to: {shown(member.path)}")
            self._table.set(member.link, PathKind.LINKED)
        kind = _KINDS.get(member.kind, file_kind)
        known = self.kind(member.path)
        if known and known != kind and PathKind.FOLDER in (known, kind):
            raise ArchiveRefused(f"a member clashes with another: {shown(member.path)}")
        if known and kind is PathKind.SAME:
            kind = PathKind.DIFFERS  # of several members of one name the last one counts: it is staged over the others
        self._table.set(member.path, kind)

    def _imply(self, parent: bytes, path: bytes) -> None:
        if parent and self.kind(parent) is not PathKind.FOLDER:
            for way in self._table.ways(parent):
                if way.number == PathKind.FOLDER:
                    continue
                if way.number or len(way.name) > self._name_bytes:
                    raise ArchiveRefused(f"a member's parent folder cannot be made: {shown(path)}")
                self._implied.folder()
                way.set(PathKind.FOLDER)
        self._parent = parent
