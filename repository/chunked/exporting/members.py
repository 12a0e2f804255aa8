"""The entries of a snapshot as members of an archive."""

from __future__ import annotations

import stat
from collections import OrderedDict
from collections.abc import Iterator

from archives.tar_format import DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, TarMember
from archives.zip_format import ZipMember
from repository.chunked.contents.selection import Entry, Selection
from repository.chunked.manifest.records import Record
from repository.errors import ManifestInvalid
from trees.source import Kind
from trees.trust import Stat

_FIRSTS_HELD = 1024
_TAR_TYPES = {
    Kind.FOLDER: DIRECTORY, Kind.FILE: REGULAR, Kind.SYMLINK: SYMBOLIC_LINK, Kind.HARDLINK: HARD_LINK,
}  # fmt: skip
_ZIP_TYPES = {Kind.FOLDER: stat.S_IFDIR, Kind.FILE: stat.S_IFREG, Kind.SYMLINK: stat.S_IFLNK}


def members_of(selection: Selection, start: bytes = b"") -> Iterator[Entry]:
    """The entries from a path on that an archive has: all but the root itself, and what the backup left out."""
    return (entry for entry in selection.entries(start) if entry[0].path and entry[0].kind is not Kind.SKIPPED)


def hard_links_resolved(selection: Selection, start: bytes = b"") -> Iterator[Entry]:
    """As `members_of`, with each hard link as the file itself: a zip archive has no links between its members."""
    for record, parts in members_of(selection, start):
        if record.kind is Kind.HARDLINK:
            first, others = selection.entry(record.target or b"")
            yield first._replace(path=record.path), others
        else:
            yield record, parts


class TarMembers:
    """Makes members of a tar archive."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._firsts: OrderedDict[bytes, Stat] = OrderedDict()

    def member(self, record: Record) -> TarMember:
        """The member of a record; a hard link has the metadata of its file. Raises `Damage`, `StorageError`."""
        found = record.stat or self._first_stat(record.target or b"")
        return TarMember(
            path=record.path,
            type=_TAR_TYPES[record.kind],
            mode=found.mode,
            uid=found.uid,
            gid=found.gid,
            mtime_ns=found.mtime_ns,
            size=record.size,
            link=record.target or b"",
        )

    def _first_stat(self, path: bytes) -> Stat:
        if path not in self._firsts:
            self._firsts[path] = _stat(self._selection.entry(path)[0])
            if len(self._firsts) > _FIRSTS_HELD:
                self._firsts.popitem(last=False)
        return self._firsts[path]


def zip_member(record: Record) -> ZipMember:
    """The member of a record, which is no hard link."""
    found = _stat(record)
    mode = _ZIP_TYPES[record.kind] | stat.S_IMODE(found.mode)
    return ZipMember(record.path, mode, found.mtime_ns, record.size, record.target or b"")


def _stat(record: Record) -> Stat:
    if record.stat is None:
        raise ManifestInvalid("the manifest has an entry without its metadata")
    return record.stat
