"""A slice of a backup, restored into an empty folder and compared with the listing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from archives.tar_format import DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, TarMember
from backups.trials.contents import content_read, content_write, digest_matches, digest_of
from trees.beneath import Tree, open_for_reading
from trees.filesystem import Filesystem
from trees.metadata import PERMISSIONS
from trees.paths import folders_above
from trees.removal import folder_clear
from wire.listing import FILE, FOLDER, SYMLINK, Entry
from wire.listing import HARD_LINK as FURTHER_NAME

SLICE_ENTRIES: Final = 20_000

_TYPES: Final = {FILE: REGULAR, FOLDER: DIRECTORY, SYMLINK: SYMBOLIC_LINK, FURTHER_NAME: HARD_LINK}

OTHER_CONTENT = "its content differs from the list of the backup"
OTHER_KIND = "it is of another kind than the list of the backup says"
OTHER_LINK = "its link leads elsewhere than the list of the backup says"
OTHER_MODE = "its permissions differ from the list of the backup"
OTHER_SIZE = "its size differs from the list of the backup"
MISSING = "it is missing in what is stored"
EXTRA = "it is stored, but not in the list of the backup"

Content = Iterable[memoryview | int]


class Slice:
    """Restores entries into an empty folder until there is no `room` for more; `compare` then reads them back.

    So at most `largest` bytes, and one piece, are on the disk at a time. A file with more content than a slice passes
    the disk in parts. A further name of a file of an earlier slice is compared with the listing alone.
    Every method raises OSError.
    """

    def __init__(self, root: int, *, largest: int, wrote: Callable[[int], None]) -> None:
        """root: the descriptor of the folder. wrote: is told the bytes of each piece, and raises to end the work."""
        self._root = root
        self._largest = largest
        self._wrote = wrote
        self._tree = Tree(root)
        self._filesystem = Filesystem()
        self._folders: set[bytes] = set()
        self._entries: list[Entry] = []
        self._in_parts: dict[bytes, str] = {}
        self._bytes = 0

    def room(self, entry: Entry) -> bool:
        """Whether an entry can be added before all others are compared and cleared."""
        if not self._entries:
            return True
        return self._bytes + _data_bytes(entry) <= self._largest and len(self._entries) < SLICE_ENTRIES

    def add(self, entry: Entry, member: TarMember, content: Content) -> str | None:
        """Restore one entry; return the fault when what is stored is not what the listing says.

        Raises the errors of the content.
        """
        if fault := _differs(entry, member):
            return fault
        self._folder_make(os.path.dirname(entry.path))  # noqa: PTH120  # a path in bytes
        if entry.kind == FOLDER:
            self._folder_make(entry.path)
        elif entry.kind == FILE:
            self._file_make(entry, member, content)
        else:
            at, name = self._tree.parent(entry.path)
            if entry.kind == SYMLINK:
                os.symlink(member.link, name, dir_fd=at)
            elif not self._link_make(member):
                return None
        self._entries.append(entry)
        return None

    def compare(self) -> Iterator[tuple[bytes, str]]:
        """The paths that are not on the disk as the listing says, each with the reason."""
        # The deepest first: the mode of a folder may deny access to what is in it.
        for entry in reversed(self._entries):
            if fault := self._compared(entry):
                yield entry.path, fault

    def clear(self) -> None:
        """Remove everything."""
        self._tree.close()
        folder_clear(self._root, self._filesystem)
        self._folders.clear()
        self._entries.clear()
        self._in_parts.clear()
        self._bytes = 0

    def close(self) -> None:
        """Close the descriptors."""
        self._tree.close()

    def _folder_make(self, path: bytes) -> None:
        for step in (*folders_above(path)[1:], path):
            if step and step not in self._folders:
                at, name = self._tree.parent(step)
                self._filesystem.make_folder(name, at=at, mode=stat.S_IRWXU)
                self._folders.add(step)

    def _file_make(self, entry: Entry, member: TarMember, content: Content) -> None:
        at, name = self._tree.parent(entry.path)
        fd = self._filesystem.make_file(name, at=at)
        try:
            if _data_bytes(entry) > self._largest:
                self._in_parts[entry.path] = self._parts_pass(fd, entry, content)
            else:
                for length in content_write(fd, content):
                    self._wrote(length)
                self._bytes += os.fstat(fd).st_blocks * 512
            os.fchmod(fd, member.mode & PERMISSIONS)
        finally:
            os.close(fd)

    def _parts_pass(self, fd: int, entry: Entry, content: Content) -> str:
        """Write a large file part by part over the same place, and read each back; return the fault."""
        digest, part, total = digest_of(entry), 0, 0
        for piece in content:
            length = piece if isinstance(piece, int) else len(piece)
            self._wrote(length)
            total += length
            if total > entry.size:
                return OTHER_SIZE
            if isinstance(piece, int) or part + length > self._largest:
                content_read(fd, digest)
                os.ftruncate(fd, 0)
                part = 0
            if isinstance(piece, int):
                digest.hole(piece)
                continue
            view = memoryview(piece)
            while view:
                written = os.pwrite(fd, view, part)
                part += written
                view = view[written:]
        content_read(fd, digest)
        os.ftruncate(fd, 0)
        if total != entry.size:
            return OTHER_SIZE
        return "" if digest_matches(digest, entry) else OTHER_CONTENT

    def _link_make(self, member: TarMember) -> bool:
        """Add a name to a file of this slice; return whether the file is in it."""
        at, name = self._tree.parent(member.path)
        with suppress(FileNotFoundError):
            source = Tree(self._root)
            try:
                source_at, first = source.parent(member.link)
                self._filesystem.make_link(first, source_at=source_at, name=name, at=at)
            finally:
                source.close()
            return True
        return False

    def _compared(self, entry: Entry) -> str | None:
        status = self._tree.status(entry.path)
        if status is None:
            return MISSING
        if entry.kind == SYMLINK:
            at, name = self._tree.parent(entry.path)
            return None if os.readlink(name, dir_fd=at) == entry.link else OTHER_LINK
        if entry.kind == FOLDER:
            return self._folder_compared(entry)
        if entry.kind == FURTHER_NAME:
            first = self._tree.status(entry.link)
            return None if first is not None and os.path.samestat(first, status) else OTHER_LINK
        return self._file_compared(entry, status)

    def _folder_compared(self, entry: Entry) -> str | None:
        fd = self._tree.open_folder(entry.path)
        try:
            self._filesystem.set_mode(fd, entry.mode & PERMISSIONS)
            return None if stat.S_IMODE(os.fstat(fd).st_mode) == entry.mode & PERMISSIONS else OTHER_MODE
        finally:
            os.close(fd)

    def _file_compared(self, entry: Entry, status: os.stat_result) -> str | None:
        if stat.S_IMODE(status.st_mode) != entry.mode & PERMISSIONS:
            return OTHER_MODE
        if entry.path in self._in_parts:
            return self._in_parts[entry.path] or None
        if status.st_size != entry.size:
            return OTHER_SIZE
        at, name = self._tree.parent(entry.path)
        if not status.st_mode & stat.S_IRUSR:
            os.chmod(name, stat.S_IRUSR, dir_fd=at)
        fd = open_for_reading(name, at)
        try:
            digest = digest_of(entry)
            content_read(fd, digest)
            return None if digest_matches(digest, entry) else OTHER_CONTENT
        finally:
            os.close(fd)


def _data_bytes(entry: Entry) -> int:
    """The bytes that a file takes on a disk, as far as its listing knows; 0 for anything else."""
    if entry.kind != FILE:
        return 0
    return entry.data if entry.hash else entry.size


def _differs(entry: Entry, member: TarMember) -> str | None:
    if member.type != _TYPES[entry.kind]:
        return OTHER_KIND
    if entry.kind == FILE and member.size != entry.size:
        return OTHER_SIZE
    if entry.kind != FILE and member.link != entry.link:
        return OTHER_LINK
    if entry.kind in (FILE, FOLDER) and (member.mode ^ entry.mode) & PERMISSIONS:
        return OTHER_MODE
    return None
