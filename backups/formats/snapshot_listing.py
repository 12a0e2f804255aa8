"""A snapshot in the terms of the wire: its listing, and its files by their numbers there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from repository.chunked.contents.selection import Selection
from repository.chunked.manifest.records import Record
from repository.chunked.manifest.stream import Manifest
from repository.chunked.restoring.metadata import metadata_of
from repository.chunked.restoring.parts import content_data_size
from repository.errors import ManifestInvalid
from trees.source import Kind
from wire.attributes import NONE
from wire.listing import FILE, FOLDER, HARD_LINK, LEFT_OUT, OF_SNAPSHOT, SYMLINK, Entry, ListingWriter

_KINDS = {Kind.FILE: FILE, Kind.FOLDER: FOLDER, Kind.SYMLINK: SYMLINK}


def snapshot_listing(manifest: Manifest, selection: Selection | None = None) -> Iterator[bytes]:
    """The bytes of the listing of a snapshot, or of the selected paths in it.

    The records are read twice: a further name has the fields of its file. Memory is that of the files with several
    names. Raises `PathNotFound`, `Damage`, `StorageError`.
    """
    selection = selection or Selection(manifest, None)
    linked: dict[bytes, Entry | None] = dict.fromkeys(_targets(manifest, selection))
    ready: list[bytes] = []
    writer = ListingWriter(ready.append, started_ns=manifest.root.scan_started_ns, version=OF_SNAPSHOT)
    for record, parts in selection.entries():
        if not record.path:
            continue
        if record.kind is Kind.HARDLINK:
            entry = _further_name(record, linked[record.target or b""])
        else:
            entry = _entry(record, parts)
        if record.path in linked:
            linked[record.path] = entry
        writer.add(entry)
        yield from ready
        ready.clear()
    writer.finish()
    yield from ready


class SnapshotFiles:
    """Finds files of a snapshot by their numbers among the files of its listing, which is of the same selection."""

    def __init__(self, manifest: Manifest, selection: Selection | None = None) -> None:
        self._selection = selection or Selection(manifest, None)
        self._begin()

    def find(self, numbers: Iterable[int]) -> Iterator[tuple[Record, list[Record]]]:
        """The records of the files with these numbers, which ascend. A next call with higher numbers continues.

        Raises LookupError for a number that no file has, `Damage`, `StorageError`.
        """
        for number in numbers:
            if number < self._next:
                self._begin()
            for found in self._files:
                self._next += 1
                if self._next > number:
                    yield found
                    break
            else:
                raise LookupError(number)

    def _begin(self) -> None:
        self._next = 0
        self._files = (found for found in self._selection.entries() if found[0].kind is Kind.FILE)


def _targets(manifest: Manifest, selection: Selection) -> Iterator[bytes]:
    """The first names of all files with several."""
    if selection.paths is not None:
        yield from (record.target or b"" for record, _ in selection.entries() if record.kind is Kind.HARDLINK)
        return
    for found in manifest.raw_entries():
        if found.array[0] == Kind.HARDLINK and type(found.array[2]) is bytes:
            yield found.array[2]


def _entry(record: Record, parts: list[Record]) -> Entry:
    if record.kind is Kind.SKIPPED:
        return Entry(LEFT_OUT, 0, 0, 0, 0, 0, 0, record.path, record.target or b"?")
    mode, uid, gid, mtime_ns = metadata_of(record)
    of_file = record.kind is Kind.FILE
    contents = [part.content for part in (record, *parts) if part.content is not None] if of_file else []
    return Entry(
        _KINDS[record.kind],
        mode,
        uid,
        gid,
        mtime_ns,
        record.size,
        0,
        record.path,
        record.target or b"",
        contents[-1].hash or b"" if contents else b"",
        record.header,
        sum(map(content_data_size, contents)),
        NONE if record.kind is Kind.SYMLINK else record.xattrs or NONE,
    )


def _further_name(record: Record, first: Entry | None) -> Entry:
    if first is None or first.kind != FILE:
        raise ManifestInvalid("the manifest has a hard link whose target is no file before it")
    return first._replace(kind=HARD_LINK, path=record.path, link=first.path)
